"""Quantile forests grown on the host by scikit-learn, and handed over as arrays.

    leaf of a tree = where all training samples fall, whether the tree was grown on them or not

References: N. Meinshausen, Quantile Regression Forests, J. Mach. Learn. Res. 7 (2006) 983; L. Breiman, Random
Forests, Mach. Learn. 45 (2001) 5, doi:10.1023/A:1010933404324; P. Geurts, D. Ernst, L. Wehenkel, Extremely
randomized trees, Mach. Learn. 63 (2006) 3, doi:10.1007/s10994-006-6226-1.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._arrays import numbers
from .._checks import whole
from .._numeric import check_real
from ..data._extras import extra
from .forest import QuantileForest, feature_matrix


def fit_quantile_forest(
    features: Any,
    targets: ArrayLike,
    *,
    trees: int = 100,
    min_leaf: int = 5,
    max_features: float | int = 1 / 3,
    max_depth: int | None = None,
    extremely_random: bool = False,
    seed: int = 0,
    workers: int = 1,
) -> QuantileForest:
    """Grow a quantile regression forest on the host with scikit-learn (extra `forecast`).

    Args:
        features: shape (samples, features), an array, or a SciPy sparse matrix of one-hot columns, say.
            What is missing has to be filled in, or told by a column of its own.
        targets: y, shape (samples,).
        trees: their number; the arrays grow with trees × samples.
        min_leaf: least number of samples in a leaf (of a tree's own bootstrap sample, if it has one).
        max_features: features that each split may choose among, as a share or a number; a third is
            Breiman's choice for regression.
        max_depth: of the trees; None grows them until leaves cannot be split.
        extremely_random: random thresholds and no bootstrap (`ExtraTreesRegressor`) instead of best
            thresholds on bootstrap samples.
        seed: of the trees.
        workers: threads.

    Raises:
        ImportError: where scikit-learn is not installed.
        ValueError: wrong shapes, numbers that are not finite, fewer samples than `min_leaf`, or
            options that scikit-learn refuses.
    """
    who = "fit_quantile_forest"
    ensemble = extra(
        who,
        "sklearn.ensemble",
        "scikit-learn",
        "use another forecaster",
        name="forecast",
    )
    x = feature_matrix(who, features)
    y = _targets(who, targets, x.shape[0])
    least = whole(who, "min_leaf", min_leaf)
    if len(y) < least:
        raise ValueError(
            f"fit_quantile_forest expected at least min_leaf={least} samples, got {len(y)}; pass more, or "
            "a smaller min_leaf."
        )
    kind = ensemble.ExtraTreesRegressor if extremely_random else ensemble.RandomForestRegressor
    model = kind(
        n_estimators=whole(who, "trees", trees),
        min_samples_leaf=least,
        max_features=max_features,
        max_depth=None if max_depth is None else whole(who, "max_depth", max_depth),
        random_state=seed,
        n_jobs=whole(who, "workers", workers),
    )
    return forest_from_sklearn(model.fit(x, y), x, y)


def forest_from_sklearn(model: Any, features: Any, targets: ArrayLike) -> QuantileForest:
    """The forest of a fitted ensemble of scikit-learn, with samples in its leaves.

    Args:
        model: a fitted `RandomForestRegressor` or `ExtraTreesRegressor` of one target.
        features: shape (samples, features), an array or a SciPy sparse matrix; not necessarily the
            samples that the trees were grown on, but they have to reach every leaf.
        targets: y, shape (samples,).

    Raises:
        ValueError: wrong shapes, numbers that are not finite, or leaves without a sample.
    """
    x = feature_matrix("forest_from_sklearn", features)
    y = _targets("forest_from_sklearn", targets, x.shape[0])
    order = np.argsort(y, kind="stable")
    leaf = np.asarray(model.apply(x))[order]
    trees = [estimator.tree_ for estimator in model.estimators_]
    parts = [_arrays(tree, leaf[:, t]) for t, tree in enumerate(trees)]
    nodes = max(tree.node_count for tree in trees)
    fill = lambda a: np.pad(a, [(0, nodes - len(a))] + [(0, 0)] * (a.ndim - 1))
    arrays = {
        name: jnp.asarray(np.stack([fill(part[name]) for part in parts])) for name in parts[0]
    }
    return QuantileForest(
        **arrays,
        members=jnp.asarray(np.argsort(leaf, axis=0, kind="stable").T.astype(np.int32)),
        targets=jnp.asarray(y[order], float),
        features=x.shape[1],
        depth=max(tree.max_depth for tree in trees),
        widest=int(np.max(arrays["count"])),
    )


def _arrays(tree: Any, leaf: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of one tree, by the names of their attributes."""
    nodes = np.arange(tree.node_count)
    inner = tree.children_left >= 0
    count = np.bincount(leaf, minlength=len(nodes))
    if (count[~inner] == 0).any():
        raise ValueError(
            "forest_from_sklearn expected samples in every leaf, got leaf "
            f"{nodes[~inner & (count == 0)][0]} without; pass those that the trees were grown on."
        )
    # scikit-learn compares float32 features with float64 thresholds. Rounded down to float32, a
    # threshold divides the float32 numbers in the same way.
    single = tree.threshold.astype(np.float32)
    lower = np.nextafter(single, np.float32(-np.inf))
    single = np.where(single.astype(np.float64) > tree.threshold, lower, single)
    children = np.stack([tree.children_left, tree.children_right], axis=1)
    return {
        "feature": np.where(inner, tree.feature, 0).astype(np.int32),
        "threshold": single,
        "children": np.where(inner[:, None], children, nodes[:, None]).astype(np.int32),
        "start": (np.cumsum(count) - count).astype(np.int32),
        "count": count.astype(np.int32),
    }


def _targets(who: str, targets: ArrayLike, samples: int) -> np.ndarray:
    """Finite targets, one for each sample."""
    targets = numbers(who, "targets", targets)
    check_real(who, {"targets": targets})
    y = np.asarray(targets, np.float64)
    if y.shape != (samples,) or not samples:
        raise ValueError(
            f"{who} expected targets of shape (samples,) for features of {samples} samples, got shape "
            f"{y.shape}; give every sample one."
        )
    if not np.isfinite(y).all():
        raise ValueError(
            f"{who} expected finite targets, got {y[~np.isfinite(y)][0]}; remove rows without a target."
        )
    return y
