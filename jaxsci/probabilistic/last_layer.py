r"""Bayesian inference of the last affine layer of a trained operator, the rest of it frozen.

    y = W φ(x) + c + ε,    W_ij, c_i ~ N(0, τ²),    ε ~ N(0, s²),    s ~ HalfNormal(s_0)

φ are the features that the frozen operator gives the layer: they are computed once, and each step of the
inference costs one affine map. The prior is centred at zero and not at the trained weights, which have seen
the data already. With s given, the posterior is Gaussian, and NUTS and SVI have to find that one.

References: Snoek et al., Scalable Bayesian Optimization Using Deep Neural Networks, ICML 2015,
arXiv:1502.05700; Kristiadi, Hein, Hennig, Being Bayesian, Even Just a Bit, Fixes Overconfidence in ReLU
Networks, ICML 2020, arXiv:2002.10118.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from numpyro.contrib.module import random_eqx_module
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoLowRankMultivariateNormal, AutoMultivariateNormal

from .._arrays import as_jax, check_finite
from .._checks import check_key, whole
from .._module import Module
from .mixture import moment_match


class LastLayerPosterior(Module):
    """Samples of the last layer and of the noise, behind the frozen operator.

    Attributes:
        trunk: the operator without its last layer.
        layers: the layer with its sampled weights, samples in front.
        noise: s of each sample, shape (samples,).
        losses: −ELBO of each step of SVI; empty after NUTS.
        diverging: which samples of NUTS ended a divergent trajectory; empty after SVI. Where many did, the
            samples are not those of the posterior: lengthen the warm-up, or give the noise.
    """

    trunk: PyTree
    layers: PyTree
    noise: Float[Array, " samples"]
    losses: Float[Array, " steps"]
    diverging: Array

    def __call__(self, x: Float[Array, "..."]) -> dist.Normal:
        """The `Normal` of each sample for one input, of batch shape (samples, *field).

        Project what `moment_match_low_rank` makes of it: a sample alone is as uncertain everywhere as its
        noise, and where the field is uncertain is what the samples say together.
        """
        features = self.trunk(x)
        mean = eqx.filter_vmap(lambda layer: layer(features))(self.layers)
        return dist.Normal(mean, self.noise.reshape(-1, *(1,) * (mean.ndim - 1)))

    def predict(self, x: Float[Array, "..."]) -> dist.Normal:
        """Predictive mean and standard deviation of the field of one input, with the noise."""
        return moment_match(self(x))


class LastLayer(Module):
    """A trained operator whose last affine layer is uncertain.

    Args:
        model: the operator; its output is that of the layer. It is frozen.
        where: picks the layer, which has `weight` and `bias`: ``lambda m: m.project[1]`` of an `FNO`.
        prior_scale: τ, in the unit of the output over that of the features.
        noise: s, where it is known, in the unit of the output; None to infer it.
        noise_scale: s_0 of the prior of s.

    Raises:
        ValueError: scales that are not positive and finite.
        TypeError: a layer without a weight.

    Attributes:
        trunk: the operator without the layer, which maps an input to its features.
        layer: the layer; only its shape and precision matter.
    """

    trunk: PyTree
    layer: PyTree
    where: Callable[[Any], Any] = eqx.field(static=True)
    prior_scale: float = eqx.field(static=True)
    noise: float | None = eqx.field(static=True)
    noise_scale: float = eqx.field(static=True)

    def __init__(
        self,
        model: PyTree,
        where: Callable[[Any], Any],
        *,
        prior_scale: float = 1.0,
        noise: float | None = None,
        noise_scale: float = 1.0,
    ):
        for name, value in (("prior_scale", prior_scale), ("noise_scale", noise_scale)):
            _check_scale(name, value)
        if noise is not None:
            _check_scale("noise", noise)
        self.layer = where(model)
        if not eqx.is_inexact_array(getattr(self.layer, "weight", None)):
            raise TypeError(
                f"LastLayer expected `where` to pick an affine layer with a weight, got "
                f"{type(self.layer).__name__}; for an FNO, write lambda m: m.project[1]."
            )
        self.trunk = eqx.tree_at(where, model, eqx.nn.Identity())
        self.where = where
        self.prior_scale = prior_scale
        self.noise = noise
        self.noise_scale = noise_scale

    def features(self, x: Float[Array, "samples ..."]) -> Float[Array, "samples ..."]:
        """φ of every input.

        Raises:
            ValueError: a layer after which the operator goes on (checked on the first input).
        """
        features, same = self._features(x)
        if not same:
            raise ValueError(
                "LastLayer expected `where` to pick the layer that gives the operator's output, got one "
                "after which the operator goes on; pick the last layer, and leave out what follows it."
            )
        return features

    @eqx.filter_jit
    def _features(self, x: Array) -> tuple[Array, Array | bool]:
        """The features, and whether the layer makes of them what the operator answers."""
        identity = lambda m: isinstance(m, eqx.nn.Identity)
        output = eqx.tree_at(self.where, self.trunk, self.layer, is_leaf=identity)(x[0])
        try:
            features = jax.vmap(lambda u: self.trunk(u))(x)
            last = self.layer(features[0])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"LastLayer expected an operator that ends in the layer that `where` picks, got "
                f"{type(error).__name__} from the operator without it; pick the last layer."
            ) from error
        # They differ by round-off alone where the layer is the last one.
        same = last.shape == output.shape and jnp.allclose(last, output, rtol=1e-3, atol=1e-5)
        return features, same

    def model(self, features: Float[Array, "samples ..."], target: Array | None = None):
        """The numpyro model of targets given features; it returns the layer and the noise."""
        dtype = self.layer.weight.dtype
        prior = dist.Normal(jnp.zeros((), dtype), self.prior_scale)
        layer = random_eqx_module("layer", self.layer, prior=prior)
        if self.noise is None:
            noise = numpyro.sample("noise", dist.HalfNormal(jnp.asarray(self.noise_scale, dtype)))
        else:
            noise = jnp.asarray(self.noise, dtype)
        mean = jax.vmap(layer)(features)
        numpyro.sample("target", dist.Normal(mean, noise).to_event(), obs=target)
        return layer, noise

    def nuts(
        self,
        x: Float[Array, "samples ..."],
        target: Float[Array, "samples ..."],
        *,
        warmup: int = 500,
        samples: int = 500,
        key: PRNGKeyArray,
    ) -> LastLayerPosterior:
        """Sample the posterior by the no-U-turn sampler, one chain.

        Args:
            x: inputs, stacked.
            target: the observed fields.
            warmup: steps that adapt the step size and the mass matrix.
            samples: samples that are kept.
            key: random key.

        Raises:
            ValueError: targets of another shape than the operator's outputs, or sizes below 1.
            TypeError: a key that is none.
        """
        features = self._checked("nuts", x, target, key)
        chain = MCMC(
            NUTS(self.model, dense_mass=True),
            num_warmup=whole("LastLayer.nuts", "warmup", warmup),
            num_samples=whole("LastLayer.nuts", "samples", samples),
            progress_bar=False,
        )
        # Inside numpyro a float meets an integer, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            chain.run(key, features, target, extra_fields=("diverging",))
        diverging = chain.get_extra_fields()["diverging"]
        return self._posterior(chain.get_samples(), features, jnp.zeros(0), diverging)

    def svi(
        self,
        x: Float[Array, "samples ..."],
        target: Float[Array, "samples ..."],
        *,
        rank: int | None = None,
        steps: int = 2000,
        learning_rate: float = 0.1,
        particles: int = 8,
        samples: int = 500,
        key: PRNGKeyArray,
    ) -> LastLayerPosterior:
        """Fit a Gaussian to the posterior by stochastic variational inference, and sample that.

        Args:
            x: inputs, stacked.
            target: the observed fields.
            rank: None for a dense covariance of the weights; else diagonal plus that rank.
            steps: updates of Adam.
            learning_rate: the first one; it falls to 0 along a cosine.
            particles: draws that estimate the ELBO in each step.
            samples: draws of the fitted Gaussian that are kept.
            key: random key.

        Raises:
            ValueError: targets of another shape than the operator's outputs, or sizes below 1.
            TypeError: a key that is none.
            RuntimeError: an ELBO that is not finite at the end.
        """
        features = self._checked("svi", x, target, key)
        steps = whole("LastLayer.svi", "steps", steps)
        if rank is None:
            guide = AutoMultivariateNormal(self.model)
        else:
            rank = whole("LastLayer.svi", "rank", rank)
            guide = AutoLowRankMultivariateNormal(self.model, rank=rank)
        adam = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
        elbo = Trace_ELBO(num_particles=whole("LastLayer.svi", "particles", particles))
        run_key, sample_key = jax.random.split(key)
        with jax.numpy_dtype_promotion("standard"):
            fitted = SVI(self.model, guide, adam, elbo).run(
                run_key, steps, features, target, progress_bar=False
            )
            if not np.isfinite(fitted.losses[-1]):
                raise RuntimeError(
                    f"LastLayer.svi expected a finite ELBO, got {-fitted.losses[-1]}; lower the learning "
                    "rate, or scale the fields to order 1."
                )
            shape = (whole("LastLayer.svi", "samples", samples),)
            draws = guide.sample_posterior(sample_key, fitted.params, sample_shape=shape)
        return self._posterior(draws, features, fitted.losses, jnp.zeros(0, bool))

    def _checked(self, who: str, x: Array, target: Array, key: PRNGKeyArray) -> Array:
        check_key(f"LastLayer.{who}", key)
        x, target = as_jax(f"LastLayer.{who}", "x", x), as_jax(f"LastLayer.{who}", "target", target)
        if x.ndim < 1 or len(x) == 0:
            raise ValueError(
                f"LastLayer.{who} expected at least one input, got shape {x.shape}; stack the inputs."
            )
        check_finite(f"LastLayer.{who}", "x", x)
        check_finite(f"LastLayer.{who}", "target", target)
        features = self.features(x)
        output = jax.eval_shape(jax.vmap(lambda f: self.layer(f)), features)
        if target.shape != output.shape:
            raise ValueError(
                f"LastLayer.{who} expected targets of shape {output.shape}, that of the operator's outputs, "
                f"got {target.shape}; stack the fields of the inputs."
            )
        return features

    def _posterior(self, draws, features, losses, diverging) -> LastLayerPosterior:
        """Put the drawn weights into copies of the layer, by the names that the model gave them."""

        def one(draw):
            with numpyro.handlers.block(), numpyro.handlers.substitute(data=draw):
                return numpyro.handlers.seed(self.model, 0)(features[:1])

        layers, noise = eqx.filter_jit(eqx.filter_vmap(one))(draws)
        return LastLayerPosterior(self.trunk, layers, noise, losses, diverging)


def _check_scale(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            f"LastLayer expected a positive, finite {name}, got {value}; 1.0 suits fields of order 1."
        )
