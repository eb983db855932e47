r"""Hierarchies of series: aggregates that are sums of bottom series, and that as rows of a constraint.

    y = S b,      C y = 0,      C = [ 1  −S_a ]   for the aggregates y_a = S_a b above the bottom series b

A forecast is coherent where it lies on this plane; `project` with `Hierarchy.constraint` moves it there.

Reference: R. J. Hyndman, R. A. Ahmed, G. Athanasopoulos, H. L. Shang, Optimal combination forecasts for
hierarchical time series, Comput. Stat. Data Anal. 55 (2011) 2579, doi:10.1016/j.csda.2011.03.006.
"""

from collections.abc import Hashable, Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Float, Int

from .._arrays import at_once
from ..constraints import AffineConstraint


class Hierarchy(eqx.Module):
    """Which series are sums of which.

    The sums are whole numbers, so that an optimiser leaves them alone where a hierarchy is part of a model.

    Args:
        summing: S of zeros and ones, shape (series, bottom): a row of ones for the total, say. Every bottom
            series has a row with its own one alone, the last such row if there are several.
        ids: names of the series, in the order of the rows.

    Attributes:
        bottom: where the bottom series are among all series, in the order of the columns.

    Raises:
        ValueError: entries other than zero and one, a column without a row of its own, a row of zeros, no
            aggregate at all, or names that are too few, too many, or given twice.
    """

    summing: Int[Array, "series bottom"]
    ids: tuple[Hashable, ...] = eqx.field(static=True)
    bottom: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, summing: ArrayLike, ids: Sequence[Hashable]):
        sums = np.asarray(summing)
        if sums.ndim != 2 or not np.isin(sums, (0, 1)).all():
            raise ValueError(
                "Hierarchy expected a summing matrix of zeros and ones, of shape (series, bottom), got shape "
                f"{sums.shape} and {sums.dtype} entries; pass weighted sums as an AffineConstraint to project."
            )
        sums = sums.astype(np.int8)
        alone = (sums.sum(1) == 1)[:, None] & (sums == 1)
        lacking = np.flatnonzero(~alone.any(0)).tolist()
        if lacking or not sums.size:
            raise ValueError(
                "Hierarchy expected a summing matrix with a row for every bottom series itself, got columns "
                f"{lacking} without; append the identity matrix as the last rows."
            )
        if not sums.any(1).all():
            raise ValueError(
                f"Hierarchy expected sums of at least one series, got row {int(np.argmin(sums.any(1)))} of "
                "zeros; remove it."
            )
        if sums.shape[0] == sums.shape[1]:
            raise ValueError(
                f"Hierarchy expected more series than the {sums.shape[1]} bottom ones, got no aggregate; add "
                "a row of ones for their total."
            )
        self.ids = tuple(ids)
        if len(self.ids) != len(sums) or len(set(self.ids)) != len(self.ids):
            twice = [name for name in dict.fromkeys(self.ids) if self.ids.count(name) > 1]
            raise ValueError(
                f"Hierarchy expected {len(sums)} different ids, one for each row, got {len(self.ids)}, of "
                f"which {twice[:3]} repeat; name every series once."
            )
        self.bottom = tuple((len(sums) - 1 - np.argmax(alone[::-1], axis=0)).tolist())
        self.summing = jnp.asarray(sums)

    @classmethod
    def from_labels(
        cls,
        labels: pd.DataFrame | Mapping[str, Sequence[Hashable]],
        *,
        levels: Sequence[Sequence[str]] | None = None,
        ids: Sequence[Hashable] | None = None,
    ) -> "Hierarchy":
        """The hierarchy of bottom series that are labelled, by purpose and state, say.

        Args:
            labels: for every column, the labels of the bottom series; together they tell the series apart.
            levels: the columns by which the series of a level are summed, from the top down; () is the
                total. By default the labels are nested: (), the first column, the first two, and so on.
            ids: names of the bottom series; by default their labels, joined by "/", as for aggregates.

        Returns:
            The hierarchy of "total", the levels, and the bottom series in the order of the labels.

        Raises:
            ValueError: no labels, missing ones, columns that are not there, bottom series with equal labels,
                or ids that do not fit.
        """
        table = pd.DataFrame(labels).reset_index(drop=True)
        columns = list(table.columns)
        if table.empty or bool(table.isna().to_numpy().any()):
            raise ValueError(
                "Hierarchy.from_labels expected a label of every bottom series in every column, got "
                f"{'none' if table.empty else 'missing ones'}; fill them in."
            )
        if levels is None:
            levels = [columns[:k] for k in range(len(columns))]
        unknown = [name for level in levels for name in level if name not in columns]
        if unknown:
            raise ValueError(
                f"Hierarchy.from_labels expected levels of the columns {columns}, got {unknown}; name columns "
                "that there are."
            )
        names = _joined(table, columns)
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise ValueError(
                "Hierarchy.from_labels expected labels that tell the bottom series apart, got "
                f"{twice[0]!r} twice; add a column with their names."
            )
        rows, above = [], []
        for level in levels:
            groups = _joined(table, list(level))
            for name in dict.fromkeys(groups):
                rows.append(np.array([group == name for group in groups]))
                above.append(name)
        rows += list(np.eye(len(table), dtype=bool))
        return cls(np.stack(rows), [*above, *(names if ids is None else ids)])

    @property
    def constraint(self) -> AffineConstraint:
        """C y = 0: one row for each aggregate, over all series."""
        bottom = np.asarray(self.bottom)
        above = np.setdiff1d(np.arange(len(self.ids)), bottom)
        with at_once(self.summing):
            rows = jnp.zeros((len(above), len(self.ids)))
            rows = rows.at[:, bottom].set(-self.summing[above].astype(rows.dtype))
            rows = rows.at[np.arange(len(above)), above].set(1.0)
            return AffineConstraint(rows, jnp.zeros(len(above)))

    def aggregate(self, bottom: Float[Array, "*batch bottom"]) -> Float[Array, "*batch series"]:
        """S b: all series, from the bottom ones.

        Args:
            bottom: values of the bottom series, in the order of the columns of S.
        """
        if bottom.shape[-1:] != (len(self.bottom),):
            raise ValueError(
                f"Hierarchy.aggregate expected {len(self.bottom)} bottom series as the last axis, got shape "
                f"{bottom.shape}; put series last."
            )
        # HIGHEST: where matrix products are cheap because they are rounded, sums would not be sums.
        return jnp.einsum(
            "...b,sb->...s", bottom, self.summing.astype(bottom.dtype), precision="highest"
        )


def _joined(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """The labels of some columns as one, for every bottom series; of none, the total."""
    if not columns:
        return ["total"] * len(table)
    return ["/".join(map(str, labels)) for labels in zip(*(table[c] for c in columns), strict=True)]
