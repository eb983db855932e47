r"""Hierarchies of series: aggregates that are sums of bottom series, and that as rows of a constraint.

    y = S b,      C y = 0,      C = [ 1  −S_a ]   for the aggregates y_a = S_a b above the bottom series b

A forecast is coherent where it lies on this plane; `project` with `Hierarchy.constraint` moves it there.

Reference: R. J. Hyndman, R. A. Ahmed, G. Athanasopoulos, H. L. Shang, Optimal combination forecasts for
hierarchical time series, Comput. Stat. Data Anal. 55 (2011) 2579, doi:10.1016/j.csda.2011.03.006.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Float, Int
from scipy import sparse

from .._arrays import at_once
from ..constraints import AffineConstraint


class Hierarchy(eqx.Module):
    """Which series are sums of which.

    The sums are kept as their links, pairs of an aggregate and a bottom series, so that thousands of aggregates
    over tens of thousands of series fit. They are whole numbers, which an optimiser leaves alone where a
    hierarchy is part of a model.

    Args:
        summing: S of zeros and ones, shape (series, bottom), dense or of `scipy.sparse`: a row of ones for the
            total, say. Every bottom series has a row with its own one alone, the last such row if there are
            several.
        ids: names of the series, in the order of the rows.

    Attributes:
        links: aggregates, by their number among `above`, and below them the bottom series they have.
        bottom: where the bottom series are among all series, in the order of the columns.
        above: where the aggregates are.

    Raises:
        ValueError: entries other than zero and one, a column without a row of its own, a row of zeros, no
            aggregate at all, or names that are too few, too many, or given twice.
    """

    links: Int[Array, "2 links"]
    ids: tuple[Hashable, ...] = eqx.field(static=True)
    bottom: tuple[int, ...] = eqx.field(static=True)
    above: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self, summing: ArrayLike | sparse.sparray | sparse.spmatrix, ids: Sequence[Hashable]
    ):
        given: Any = summing if sparse.issparse(summing) else np.asarray(summing)
        entries = given.data if sparse.issparse(given) else given
        if given.ndim != 2 or not np.isin(entries, (0, 1)).all():
            raise ValueError(
                "Hierarchy expected a summing matrix of zeros and ones, of shape (series, bottom), got "
                f"{given.dtype} entries of shape {given.shape}; weighted sums are an AffineConstraint."
            )
        sums: Any = sparse.csr_array(given, dtype=np.int8)
        sums.eliminate_zeros()
        size = np.diff(sums.indptr)
        if not sums.shape[1]:
            raise ValueError(
                "Hierarchy expected a summing matrix with a row for every bottom series itself, got columns "
                "[] without; append the identity matrix as the last rows."
            )
        # The one column of each row that has one; later rows replace earlier ones.
        alone = np.flatnonzero(size == 1)
        bottom = np.full(sums.shape[1], -1)
        bottom[sums.indices[sums.indptr[alone]]] = alone
        if (bottom < 0).any():
            raise ValueError(
                "Hierarchy expected a summing matrix with a row for every bottom series itself, got columns "
                f"{np.flatnonzero(bottom < 0).tolist()} without; append the identity matrix as the last rows."
            )
        if (size == 0).any():
            raise ValueError(
                f"Hierarchy expected sums of at least one series, got row {int(np.argmin(size))} of "
                "zeros; remove it."
            )
        if sums.shape[0] == sums.shape[1]:
            raise ValueError(
                f"Hierarchy expected more series than the {sums.shape[1]} bottom ones, got no aggregate; add "
                "a row of ones for their total."
            )
        self.ids = tuple(ids)
        if len(self.ids) != sums.shape[0] or len(set(self.ids)) != len(self.ids):
            seen: set[Hashable] = set()
            twice = [name for name in self.ids if name in seen or seen.add(name)]
            raise ValueError(
                f"Hierarchy expected {sums.shape[0]} different ids, one for each row, got {len(self.ids)}, of "
                f"which {list(dict.fromkeys(twice))[:3]} repeat; name every series once."
            )
        above = np.setdiff1d(np.arange(sums.shape[0]), bottom)
        self.bottom, self.above = tuple(bottom.tolist()), tuple(above.tolist())
        part: Any = sums[above].tocoo()
        self.links = jnp.asarray(np.stack([part.row, part.col]).astype(np.int32))

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
            # By the labels, not by their names: ("a/b", "c") is not ("a", "b/c"), nor 1 the text "1".
            labels_here = list(zip(*(table[c] for c in level), strict=True)) or [()] * len(table)
            number, _ = pd.factorize(pd.Series(labels_here, dtype=object))
            groups = _joined(table, list(level))
            rows.append(len(above) + number)
            above += [groups[i] for i in np.unique(number, return_index=True)[1]]
        n = len(table)
        rows.append(len(above) + np.arange(n))
        columns_of = np.tile(np.arange(n), len(rows))
        entries = (np.ones(columns_of.size, np.int8), (np.concatenate(rows), columns_of))
        summing = sparse.coo_array(entries, shape=(len(above) + n, n))
        return cls(summing, [*above, *(names if ids is None else ids)])

    @classmethod
    def from_links(
        cls,
        links: Sequence[Sequence[int]],
        ids: Sequence[Hashable],
        *,
        above: Sequence[int],
        bottom: Sequence[int],
    ) -> "Hierarchy":
        """The hierarchy with these attributes."""
        rows, columns = np.asarray(above)[np.asarray(links[0])], np.asarray(links[1])
        rows, columns = np.append(rows, bottom), np.append(columns, np.arange(len(bottom)))
        entries = (np.ones(rows.size, np.int8), (rows, columns))
        return cls(sparse.coo_array(entries, shape=(len(ids), len(bottom))), ids)

    @property
    def summing(self) -> Int[Array, "series bottom"]:
        """S as a dense matrix of zeros and ones."""
        rows = jnp.zeros((len(self.ids), len(self.bottom)), jnp.int8)
        rows = rows.at[np.asarray(self.bottom), np.arange(len(self.bottom))].set(1)
        return rows.at[jnp.asarray(self.above)[self.links[0]], self.links[1]].set(1)

    @property
    def constraint(self) -> AffineConstraint:
        """C y = 0: one row for each aggregate, over all series."""
        above, bottom = np.asarray(self.above), np.asarray(self.bottom)
        with at_once(self.links):
            rows = jnp.zeros((len(above), len(self.ids)))
            rows = rows.at[self.links[0], jnp.asarray(bottom)[self.links[1]]].set(-1.0)
            rows = rows.at[np.arange(len(above)), above].set(1.0)
            return AffineConstraint(rows, jnp.zeros(len(above)))

    def sums(self, bottom: Float[Array, "*batch bottom"]) -> Float[Array, "*batch above"]:
        """S_a b: the aggregates alone."""
        return _scattered(bottom[..., self.links[1]], self.links[0], len(self.above))

    def parts(self, above: Float[Array, "*batch above"]) -> Float[Array, "*batch bottom"]:
        """S_aᵀ x: to every bottom series, the sum of what its aggregates have."""
        return _scattered(above[..., self.links[0]], self.links[1], len(self.bottom))

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
        order = np.argsort([*self.above, *self.bottom])
        return jnp.concatenate([self.sums(bottom), bottom], axis=-1)[..., order]


def _scattered(values: Array, where: Int[Array, " links"], count: int) -> Array:
    """Add up the last axis by the numbers of its entries, added to without rounding of the factors."""
    flat = values.reshape(-1, values.shape[-1]).T
    total = jax.ops.segment_sum(flat, where, num_segments=count)
    return total.T.reshape(*values.shape[:-1], count)


def _joined(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """The labels of some columns as one, for every bottom series; of none, the total."""
    if not columns:
        return ["total"] * len(table)
    return ["/".join(map(str, labels)) for labels in zip(*(table[c] for c in columns), strict=True)]
