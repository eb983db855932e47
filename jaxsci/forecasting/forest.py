r"""Quantile regression forest: the distribution of a target among the neighbours that trees find.

    w_i(x) = mean over trees of 1[x_i in the leaf of x] / |leaf of x|
    ŷ_q(x) = inf { y : Σ_i w_i(x) 1[y_i ≤ y] ≥ q }

All training samples count in every leaf, not only those that a tree was grown on. The sum is never formed:
samples are numbered by rising target, leaves keep their numbers sorted, and the least number whose share
reaches q is found by bisection, with a bisection in each leaf for how many are below. So a query needs memory
of the order of trees × levels, whatever the size of leaves and training set, and quantiles cannot cross.

Reference: N. Meinshausen, Quantile Regression Forests, J. Mach. Learn. Res. 7 (2006) 983, equations 4 to 6.
"""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int
from scipy import sparse

from .._arrays import check_finite, numbers
from .._checks import whole
from .._numeric import check_real


class QuantileForest(eqx.Module):
    """A fitted forest, as arrays; `fit_quantile_forest` and `forest_from_sklearn` make one.

    Attributes:
        feature: which feature a node asks for.
        threshold: up to which value the way is to the left; float32.
        children: nodes to the left and to the right; a leaf is its own.
        members: numbers of the samples, leaf by leaf, rising in every leaf.
        start: where a leaf's members begin.
        count: how many they are; zero for inner nodes.
        targets: y of the training samples, rising.
        features: number d of features.
        depth: of the deepest leaf.
        widest: members of the largest leaf.
    """

    feature: Int[Array, "trees nodes"]
    threshold: Float[Array, "trees nodes"]
    children: Int[Array, "trees nodes 2"]
    members: Int[Array, "trees n"]
    start: Int[Array, "trees nodes"]
    count: Int[Array, "trees nodes"]
    targets: Float[Array, " n"]
    features: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    widest: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, " features"], levels: ArrayLike) -> Float[Array, " levels"]:
        """Quantiles ŷ_q of one sample.

        Shares within round-off of q count as q, so that 1 of 10 equal members is the 0.1-quantile.

        Args:
            x: features, rounded to float32 as the trees' were; inside jit a sample with a feature that is
                not finite gets NaN.
            levels: q, in (0, 1).

        Raises:
            ValueError: another number of features, features that are not finite, or levels outside (0, 1)
                (checked where they are concrete, not inside jit).
        """
        x, q = jnp.asarray(x), self._levels(levels)
        leaf = self.leaves(x)[:, None]
        tree = jnp.arange(len(leaf))[:, None]
        start, count = self.start[tree, leaf], self.count[tree, leaf]
        slack = 4 * jnp.finfo(q.dtype).eps

        def reached(number: Int[Array, " levels"]):
            held = lambda k: self.members[tree, start + jnp.minimum(k, count - 1)] > number
            below = _first(held, jnp.zeros_like(number + count), count, self.widest)
            return jnp.mean(below.astype(q.dtype) / count.astype(q.dtype), 0) >= q * (1 - slack)

        last = jnp.full(q.shape, len(self.targets) - 1, jnp.int32)
        number = _first(reached, jnp.zeros_like(last), last, len(self.targets))
        return jnp.where(jnp.isfinite(x).all(), self.targets[number], jnp.nan)

    def leaves(self, x: Float[Array, " features"]) -> Int[Array, " trees"]:
        """The leaf of one sample in every tree, the same as scikit-learn's `apply`.

        Args:
            x: features.
        """
        x = jnp.asarray(x)
        if x.shape != (self.features,):
            raise ValueError(
                f"QuantileForest expected x of shape (features={self.features},), got {x.shape}; use jax.vmap "
                "or jax.lax.map for batches."
            )
        check_finite("QuantileForest", "features", x)
        x = x.astype(jnp.float32)
        tree = jnp.arange(len(self.feature))

        def descend(_, node):
            right = x[self.feature[tree, node]] > self.threshold[tree, node]
            return self.children[tree, node, right.astype(int)]

        return lax.fori_loop(0, self.depth, descend, jnp.zeros_like(self.feature[:, 0]))

    def weights(self, x: Float[Array, " features"]) -> Float[Array, " n"]:
        """Weights w of all training samples for one sample, in the order of `targets`.

        Args:
            x: features.
        """
        tree = jnp.arange(len(self.feature))[:, None]
        leaf = self.leaves(x)[:, None]
        place = jnp.arange(len(self.targets), dtype=jnp.int32) - self.start[tree, leaf]
        count = self.count[tree, leaf]
        share = jnp.where((place >= 0) & (place < count), 1 / count.astype(self.targets.dtype), 0.0)
        return jnp.zeros_like(self.targets).at[self.members].add(share) / len(tree)

    def predict(self, features: Any, levels: ArrayLike, *, batch: int = 4096) -> np.ndarray:
        """Quantiles of many samples, some at a time.

        Args:
            features: shape (samples, features), an array or a SciPy sparse matrix with rows.
            levels: q, in (0, 1).
            batch: samples at a time; sparse rows are made dense no sooner.

        Returns:
            Shape (samples, levels).

        Raises:
            ValueError: features of another shape or not finite, levels outside (0, 1), or no batch.
        """
        x = feature_matrix("QuantileForest.predict", features)
        q, batch = self._levels(levels), whole("QuantileForest.predict", "batch", batch)
        parts = [np.empty((0, q.size), np.dtype(self.targets.dtype))]
        for first in range(0, x.shape[0], batch):
            part = x[first : first + batch]
            part = np.asarray(part if isinstance(part, np.ndarray) else part.toarray(), np.float32)
            filled = np.pad(part, ((0, min(batch, x.shape[0]) - len(part)), (0, 0)))
            parts.append(np.asarray(_many(self, jnp.asarray(filled), q))[: len(part)])
        return np.concatenate(parts)

    def _levels(self, levels: ArrayLike) -> Array:
        """Levels as an array, in (0, 1) where they are concrete."""
        known = np.full(1, 0.5) if isinstance(levels, Tracer) else np.asarray(levels)
        q = jnp.asarray(levels, self.targets.dtype)
        if q.ndim != 1 or np.iscomplexobj(known) or not ((known > 0) & (known < 1)).all():
            raise ValueError(
                f"QuantileForest expected levels of shape (levels,) in (0, 1), got {levels}; pass fractions, "
                "as in jnp.array([0.1, 0.5, 0.9])."
            )
        return q


def _first(true, low: Array, high: Array, span: int) -> Array:
    """The first whole number in [low, high] from which on `true` holds, high if none below."""

    def halve(_, state):
        low, high = state
        middle = (low + high) // 2
        yes = true(middle) & (low < high)
        return jnp.where(yes | (low >= high), low, middle + 1), jnp.where(yes, middle, high)

    high = jnp.broadcast_to(high, low.shape).astype(low.dtype)
    return lax.fori_loop(0, math.ceil(math.log2(span + 1)), halve, (low, high))[0]


@eqx.filter_jit
def _many(forest: QuantileForest, x: Array, levels: Array) -> Array:
    return jax.vmap(functools.partial(forest, levels=levels))(x)


def feature_matrix(who: str, features: Any) -> Any:
    """Finite features in single precision, as scikit-learn's trees read them; dense, or sparse by rows."""
    thin = sparse.issparse(features)
    features = features if thin else numbers(who, "features", features)
    check_real(who, {"features": features})
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        x = features.tocsr().astype(np.float32) if thin else np.asarray(features, np.float32)
    if x.ndim != 2:
        raise ValueError(
            f"{who} expected features of shape (samples, features), got {x.shape}; give every sample a row."
        )
    if not np.isfinite(x.data if thin else x).all():
        raise ValueError(
            f"{who} expected finite features in single precision, got some that are not; fill in what is "
            "missing, or tell it by a column of its own."
        )
    return x
