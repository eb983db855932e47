"""Two pages: profiles beside the exact solutions, and errors against the number of cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.verification.study import DEVIATION, UPWIND, Study
from jaxsci import plots
from jaxsci.plots.style import COLORS

Families = Mapping[str, Sequence[Study]]

_LOOKS = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")


def profiles(families: Families, path: Path) -> None:
    """One panel a case: the coarsest grid of one scheme in dots on the exact solution."""
    shown: dict[str, Study] = {}
    for study in (study for family in families.values() for study in family):
        # The last scheme of a case is its sharpest; the baseline is none.
        if study.profile is not None and UPWIND not in study.scheme:
            shown[study.case] = study
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with plots.style():
        figure = Figure(figsize=(2.9 * columns, 2.3 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, study in zip(panels, shown.values(), strict=False):
            _profile(axes, study)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    plots.save(panels[0], path)


def _profile(axes: Axes, study: Study) -> None:
    assert study.profile is not None
    x, computed, x_exact, exact, quantity, coordinate = study.profile
    axes.plot(
        x_exact, exact, color="black", linewidth=1.0, label="exact, or what it is compared with"
    )
    axes.plot(x, computed, ".", color=COLORS[1], markersize=3.5, label="computed, coarsest grid")
    # The name of a scheme may say which norm its error is in, and no norm is drawn here.
    scheme = study.scheme.removesuffix(f", {DEVIATION}")
    axes.set(title=f"{study.case}\n{scheme}", xlabel=coordinate, ylabel=quantity)
    axes.set_xlim(float(x_exact.min()), float(x_exact.max()))


def convergence(families: Families, path: Path) -> None:
    """One panel a family of cases: error against cells, a line a scheme, and slopes to compare with."""
    lines = {
        name: [study for study in family if study.converges and len(study.cells) > 1]
        for name, family in families.items()
    }
    lines = {name: family for name, family in lines.items() if family}
    if not lines:  # one grid a case has no lines
        return
    columns = min(2, len(lines))
    rows = -(-len(lines) // columns)
    with plots.style():
        figure = Figure(figsize=(5.4 * columns, 4.4 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, family) in zip(panels, lines.items(), strict=False):
            _lines(axes, name, family)
        for axes in panels[len(lines) :]:
            axes.set_axis_off()
    plots.save(panels[0], path)


def _lines(axes: Axes, name: str, family: Sequence[Study]) -> None:
    for index, study in enumerate(family):
        axes.plot(
            study.cells,
            study.errors,
            color=COLORS[index % len(COLORS)],
            marker=_LOOKS[index % len(_LOOKS)],
            linestyle="-" if index < len(COLORS) else "--",
            markersize=4,
            label=study.name,
        )
    _slopes(axes, family)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:.0f}")
    axes.set(xlabel="cells an axis", ylabel="error", title=name)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=7)


def _slopes(axes: Axes, family: Sequence[Study]) -> None:
    """Grey lines of first, second and, where it is reached, fifth order, from one point."""
    first = min(n for study in family for n in study.cells)
    last = max(n for study in family for n in study.cells)
    top = 2.0 * max(study.errors[0] for study in family)
    steepest = max(study.row["order"] for study in family)
    for order in (1, 2, 5):
        if order <= steepest + 0.5:
            bottom = top * (first / last) ** order
            axes.plot([first, last], [top, bottom], ":", color="#888888", linewidth=1.0)
            axes.annotate(
                f"{order}", (last, bottom), xytext=(3, 0), textcoords="offset points", va="center"
            )
