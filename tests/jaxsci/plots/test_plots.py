"""Figures: what is drawn is what was given; no global state; refusals."""

import itertools
import sys

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from jaxsci.plots import (
    Prediction,
    error_map,
    frame_rows,
    histogram,
    mass_over_time,
    new_axes,
    profile,
    save,
    score_by_lead,
    training_curve,
)

X = np.linspace(0.0, 1.0, 11)


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def drawn_profile():
    models = {"A": Prediction(X**2, 0.1 + X), "B": Prediction(jnp.asarray(X, jnp.float32))}
    return profile(X, models, truth=1 - X, band=3.0, unit="K", x_unit="m", title="t = 1")


def test_profile_draws_truth_means_and_bands():
    axes = drawn_profile()
    assert texts(axes) == ["truth", "A", "B"]
    np.testing.assert_array_equal(lines(axes)["truth"].get_ydata(), 1 - X)
    np.testing.assert_array_equal(lines(axes)["A"].get_ydata(), X**2)
    (band,) = axes.collections  # B has no uncertainty
    corners = band.get_paths()[0].vertices
    np.testing.assert_allclose(corners[:, 1].max(), 1 + 3 * 1.1)
    np.testing.assert_allclose(corners[:, 1].min(), min(X**2 - 3 * (0.1 + X)))
    assert axes.get_legend().get_title().get_text() == "bands: ±3 standard deviations"
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x [m]", "u [K]", "t = 1")


def test_series_differ_in_colour_and_dashes():
    looks = [
        (line.get_color(), line.get_linestyle())
        for line in mass_over_time(X, {str(i): X + i for i in range(6)}).get_lines()
    ]
    assert len({color for color, _ in looks}) == len(looks) == 6
    dashes = [line._dash_pattern for line in mass_over_time(X, dict.fromkeys("abcdef", X)).lines]
    assert len({str(dash) for dash in dashes}) == 6


def test_mass_over_time_draws_every_model_and_the_truth():
    axes = mass_over_time(X, {"FNO": X + 0.1}, truth=X, unit="kg", time_unit="s")
    assert texts(axes) == ["true", "FNO"]
    np.testing.assert_array_equal(lines(axes)["FNO"].get_ydata(), X + 0.1)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time [s]", "total mass [kg]")


def test_error_map_is_symmetric_and_has_its_bar():
    error = np.outer([1.0, 2.0, 3.0], X) - 0.5
    axes = error_map(error, X, [0.0, 0.5, 1.0], unit="K")
    (mesh,) = axes.collections
    assert mesh.get_clim() == (-2.5, 2.5)
    np.testing.assert_array_equal(mesh.get_array(), error)
    bar = axes.figure.axes[1]
    assert bar.get_ylabel() == "error [K]"


def test_error_maps_can_share_a_scale_and_show_what_exceeds_it():
    error = np.outer([1.0, 2.0, 3.0], X)
    (mesh,) = error_map(error, X, [0.0, 0.5, 1.0], limit=0.2).collections
    assert mesh.get_clim() == (-0.2, 0.2)
    assert mesh.colorbar.extend == "both"
    (exact,) = error_map(0 * error, X, [0.0, 0.5, 1.0]).collections
    assert exact.get_clim() == (-1.0, 1.0)


def test_histogram_is_a_density_that_misses_what_has_no_position():
    draws = np.where(np.arange(1000) < 250, np.nan, np.linspace(0.2, 0.3, 1000))
    axes = histogram({"A": np.linspace(0.1, 0.4, 500), "B": draws}, truth=0.25, unit="m")
    assert texts(axes) == ["true", "A", "B (25.0% none)"]
    assert lines(axes)["true"].get_xdata()[0] == 0.25
    # The first model's bars fill their bins; densities are over whole bins.
    width = axes.containers[0][0].get_width()
    areas = [sum(bar.get_height() * width for bar in bars) for bars in axes.containers]
    np.testing.assert_allclose(areas, [1.0, 0.75], rtol=1e-12)  # round-off of 25 terms
    assert axes.get_ylabel() == "density [1/m]"


def test_equal_samples_stay_visible_in_their_bin():
    axes = histogram({name: np.full(9, 0.2) for name in "ABC"}, truth=0.4)
    bars = [next(bar for bar in bars if bar.get_height() > 0) for bars in axes.containers]
    assert len(bars) == 3
    assert np.allclose(np.diff([bar.get_x() + bar.get_width() / 2 for bar in bars]), 0)
    for behind, before in itertools.pairwise(bars):  # each leaves a sixth of the bin on both sides
        assert before.get_x() > behind.get_x() + 0.1 * bars[0].get_width()


@pytest.mark.parametrize(
    "draw",
    [
        drawn_profile,
        lambda: mass_over_time(X, {"FNO": X + 0.1, "a model with a long name": X}, truth=X),
        lambda: histogram({"A": X, "B": X}, truth=0.5),
        lambda: training_curve({"training": (X, 1 + X)}),
    ],
)
def test_legends_stand_beside_the_axes_and_inside_the_figure(draw):
    axes = draw()
    figure = axes.figure
    figure.draw_without_rendering()
    box, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert box.x0 >= frame.x1
    assert box.x1 <= figure.bbox.x1
    assert frame.width > 0.4 * figure.bbox.width


def test_legends_stay_on_figures_that_arrange_nothing():
    axes = Figure().add_subplot()
    profile(X, {"A": Prediction(X)}, axes=axes)
    axes.figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().x1 <= axes.get_window_extent().x1


def test_training_curve_chooses_its_scale():
    steps = np.arange(5)
    loss = np.array([1.0, 0.5, np.inf, 0.1, np.nan])
    axes = training_curve({"training": (steps, loss), "validation": ([0, 4], [1.0, 0.2])})
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(np.isnan(lines(axes)["training"].get_ydata()), ~np.isfinite(loss))
    assert training_curve({"likelihood": (steps, steps - 2.0)}).get_yscale() == "linear"
    assert training_curve({"loss": (steps, loss)}, logarithmic=False).get_yscale() == "linear"


def test_rows_of_frames_share_one_scale_and_end_with_the_last():
    rng = np.random.default_rng(0)
    given, came = rng.uniform(0, 2, (3, 6, 8)), rng.uniform(0, 2, (10, 6, 8))
    models = {"persistence": np.repeat(given[-1:], 10, 0), "too bright": 5 + came}
    rows = frame_rows(given, came, models, columns=4, interval=5.0, time_unit="min", unit="mm/h")
    assert [len(row) for row in rows] == [4, 4, 4, 4]
    assert [row[0].get_ylabel() for row in rows] == ["input", "target", "persistence", "too bright"]
    pictures = [[cell.get_images() for cell in row] for row in rows]
    assert [len(images) for images in pictures[0]] == [0, 1, 1, 1]  # next to the target's first
    np.testing.assert_array_equal(pictures[0][3][0].get_array(), given[-1])
    np.testing.assert_array_equal(pictures[3][3][0].get_array(), models["too bright"][-1])
    every = [images[0] for row in pictures for images in row if images]
    assert {image.get_clim() for image in every} == {
        (min(given.min(), came.min()), max(given.max(), came.max()))
    }
    assert [cell.get_title() for cell in rows[0]] == ["", "−10", "−5", "0"]
    assert [cell.get_title() for cell in rows[1]] == ["+5", "+20", "+35", "+50"]
    figure = rows[0][0].figure
    assert figure.axes[-1].get_ylabel() == "u [mm/h]"
    assert pictures[-1][0][0].colorbar.extend == "max"  # one model is too bright
    assert figure.get_suptitle() == "time after the last input [min]"


def test_scores_are_drawn_over_the_lead_time():
    scores = {"FNO": np.linspace(0.9, 0.3, 4), "persistence": [0.8, 0.4, np.nan, 0.1]}
    axes = score_by_lead([5, 10, 15, 20], scores, best=1.0, time_unit="min")
    assert texts(axes) == ["perfect", "FNO", "persistence"]
    np.testing.assert_array_equal(lines(axes)["FNO"].get_ydata(), scores["FNO"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lead time [min]", "CSI")


def test_given_axes_are_drawn_on():
    axes = new_axes()
    assert mass_over_time(X, {"FNO": X}, axes=axes) is axes
    assert axes.figure.axes == [axes]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file(tmp_path, suffix):
    first = save(drawn_profile(), tmp_path / "new" / f"one.{suffix}")
    second = save(drawn_profile(), tmp_path / f"two.{suffix}")
    assert first.read_bytes() == second.read_bytes()
    if suffix == "png":
        image = imread(first)
        assert image.shape[:2] == (480, 960)  # 3.2 x 6.4 inches at 150 dots
        assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 50


def test_notebooks_show_a_figure_without_pyplot():
    assert drawn_profile().figure._repr_png_().startswith(b"\x89PNG")


def test_no_global_state_is_touched(tmp_path):
    before = dict(matplotlib.rcParams)
    save(drawn_profile(), tmp_path / "a.png")
    histogram({"A": X})
    training_curve({"A": (X, X)})
    error_map(np.outer(X, X), X, X)
    assert dict(matplotlib.rcParams) == before
    # Figures that pyplot knows of stay in memory until they are closed.
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"truth of shape \(11,\), got \(1, 11\); select one"):
        profile(X, {}, truth=X[None])
    with pytest.raises(ValueError, match=r"the mean of 'A' of shape \(11,\), got \(10,\)"):
        profile(X, {"A": Prediction(X[1:])})
    with pytest.raises(ValueError, match="the std of 'A'"):
        profile(X, {"A": Prediction(X, X[1:])})
    with pytest.raises(ValueError, match="x to be at least 2 increasing coordinates"):
        profile(X[::-1], {})
    with pytest.raises(ValueError, match="the mass of 'FNO'"):
        mass_over_time(X, {"FNO": X[1:]})
    with pytest.raises(ValueError, match=r"\(y, x\) = \(3, 11\), got \(11, 3\); transpose"):
        error_map(np.zeros((11, 3)), X, [0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match="a positive limit, got"):
        error_map(np.zeros((11, 11)), X, X, limit=0.0)
    with pytest.raises(ValueError, match="samples of 'A', got none"):
        histogram({"A": np.zeros(0)})
    with pytest.raises(ValueError, match="at least one finite sample"):
        histogram({"A": np.full(3, np.nan)}, truth=0.1)
    with pytest.raises(ValueError, match=r"values of 'loss', got shapes \(2,\) and \(3,\)"):
        training_curve({"loss": ([0, 1], [1.0, 2.0, 3.0])})
    with pytest.raises(ValueError, match=r"the score of 'FNO' of shape \(11,\), got \(10,\)"):
        score_by_lead(X, {"FNO": X[1:]})
    frames = np.zeros((2, 4, 5))
    with pytest.raises(
        ValueError, match=r"target of shape \(time, height, width\) = \(time, 4, 5\)"
    ):
        frame_rows(frames, frames[:, :3])
    with pytest.raises(ValueError, match="2 frames of FNO, as of the target, got 1"):
        frame_rows(frames, frames, {"FNO": frames[:1]})
    with pytest.raises(ValueError, match="increasing limits"):
        frame_rows(frames, frames, limits=(1.0, 0.0))
