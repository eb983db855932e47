r"""A deep ensemble: M networks of one architecture that start from different weights, as one model.

    p(u | x) = (1/M) Σ_s p_s(u | x),      loss = (1/M) Σ_s loss_s

The members' leaves are stacked, and one `vmap` calls or trains them all: one compilation, and matrix
products of the members at once.

Reference: Lakshminarayanan, Pritzel, Blundell, Simple and Scalable Predictive Uncertainty Estimation using
Deep Ensembles, NeurIPS 2017, arXiv:1612.01474. As there, all members see all data. Here they see it in the
same order, and there are no adversarial examples: what differs is where they start, and their random keys.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._checks import check_key, whole
from .._module import Module
from ..constraints import Ensemble
from .marginal import promoted
from .mixture import moment_match

LossFn = Callable[[Any, Any, PRNGKeyArray], tuple[Float[Array, ""], dict[str, Any]]]


class DeepEnsemble(Module):
    """Several models of one architecture behind one call.

    Args:
        build: ``build(key) -> model``, an `equinox.Module`; called once, under `vmap`.
        size: M, the number of members.
        key: random key, split into one for each member.

    Raises:
        ValueError: fewer than two members.
        TypeError: a key that is none.

    Attributes:
        members: the stacked model; every array has the members in front.
    """

    members: PyTree
    size: int = eqx.field(static=True)

    def __init__(self, build: Callable[[PRNGKeyArray], PyTree], size: int, *, key: PRNGKeyArray):
        size = whole("DeepEnsemble", "size", size, 2)
        check_key("DeepEnsemble", key)
        self.members = eqx.filter_vmap(build)(jax.random.split(key, size))
        self.size = size

    def __len__(self) -> int:
        """M."""
        return self.size

    def __getitem__(self, index: int) -> PyTree:
        """Member `index` as a model of its own.

        Raises:
            IndexError: no such member.
        """
        if not -self.size <= index < self.size:
            raise IndexError(
                f"DeepEnsemble expected a member from {-self.size} to {self.size - 1}, got {index}; it has "
                f"{self.size}."
            )
        arrays, rest = eqx.partition(self.members, eqx.is_array)
        return eqx.combine(jax.tree.map(lambda leaf: leaf[index], arrays), rest)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What each member answers to the same arguments, members in front.

        A distribution comes back with the members as its first batch axis: project it as it is and
        summarise it by `moment_match` after that, or project what `moment_match_low_rank` makes of it.
        """
        answers = eqx.filter_vmap(lambda member: member(*args, **kwargs))(self.members)
        # A distribution that leaves a vmap still has the batch shape of one member.
        return promoted(answers) if isinstance(answers, dist.Distribution) else answers

    def predict(self, *args: Any, **kwargs: Any) -> Ensemble | dist.Normal:
        """One predictive distribution of a sample.

        Returns:
            The `Ensemble` of the members' fields, or, of members that answer with distributions, the
            `Normal` with the mean and the variance of their mixture at every point.
        """
        answers = self(*args, **kwargs)
        if isinstance(answers, dist.Distribution):
            return moment_match(answers)
        return Ensemble(jnp.asarray(answers))


def ensemble_loss(loss_fn: LossFn) -> LossFn:
    """Turn the loss of one member into that of a `DeepEnsemble`, for the same training loop.

    Each member draws its own key. Loss and metrics are means over the members, but each member has the
    gradient that it would have alone, not 1/M of it, so that a learning rate means what it meant. What acts
    on the whole gradient, such as clipping by its norm, acts on all members together.

    Args:
        loss_fn: ``loss_fn(model, batch, key) -> (loss, metrics)``.
    """

    def loss_of_all(model: DeepEnsemble, batch: Any, key: PRNGKeyArray):
        def one(member, key):
            loss, metrics = loss_fn(member, batch, key)
            return loss, jax.tree.map(jnp.asarray, metrics)

        losses, metrics = eqx.filter_vmap(one)(model.members, jax.random.split(key, model.size))
        total = losses.sum()
        # The value of the mean with the gradient of the sum.
        loss = total + jax.lax.stop_gradient(losses.mean() - total)
        return loss, jax.tree.map(lambda metric: metric.mean(0), metrics)

    return loss_of_all
