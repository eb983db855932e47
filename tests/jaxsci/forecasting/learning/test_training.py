"""A training that was killed and is started again ends where an uninterrupted one does."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP
from jaxsci.training import CheckpointError
from jaxsci.training.checkpoints import Checkpoints


@pytest.mark.parametrize("holdout", [pytest.param(0, marks=pytest.mark.slow), 6])
def test_a_fit_resumes(holdout, frame, tmp_path, monkeypatch):
    options = {"horizon": 3, "season": 6, "window": 6, "width": 8, "batch_size": 4, "forks": 4}
    model = lambda **other: MLP(**options, **{"steps": 20, "holdout": holdout} | other)
    expected = model().fit(frame).predict(frame)
    save, saved = Checkpoints.save, []

    def killed(self, step, *args):
        save(self, step, *args)
        saved.append(step)
        if step >= 8:
            raise MemoryError("killed")

    with monkeypatch.context() as machine:
        machine.setattr(Checkpoints, "save", killed)
        with pytest.raises(MemoryError):
            model().fit(frame, checkpoint=tmp_path / "run")
    assert saved == [2, 4, 6, 8]
    resumed = model().fit(frame, checkpoint=tmp_path / "run")
    pd.testing.assert_frame_equal(resumed.predict(frame), expected, check_exact=True)
    with pytest.raises(CheckpointError, match="random key"):
        model(seed=1).fit(frame, checkpoint=tmp_path / "run")
    assert np.isfinite(expected["0.5"]).all()
