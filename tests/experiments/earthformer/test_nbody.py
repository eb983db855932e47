"""Films of digits: their sizes, and the steps of runs that resume."""

import numpy as np
import pytest

from experiments.earthformer import run
from experiments.earthformer.nbody import in_proportion

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("side", "canvas", "drawn"), [(28, 128, 28), (28, 32, 7), (8, 32, 8), (8, 128, 32), (8, 48, 8)]
)
def test_digits_are_in_proportion_to_the_canvas(side, canvas, drawn):
    digits = RANDOM.uniform(size=(3, side, side)).astype(np.float32)
    scaled = in_proportion(digits, canvas)
    assert scaled.shape == (3, drawn, drawn)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=(1, 2)), digits.mean(axis=(1, 2)), rtol=1e-5)


def test_a_step_is_timed_once(tmp_path, monkeypatch):
    """Timed anew, a run for equal time would resume with another number of steps than it began with."""
    paces = iter((0.1, 0.2))
    monkeypatch.setattr(run, "seconds_a_step", lambda *_: next(paces))
    path = tmp_path / "u-net" / "pace.json"
    assert [run._pace(None, None, None, path) for _ in range(2)] == [0.1, 0.1]
