r"""What recurrent forecasters of video have in common: they see one frame after the other and predict the next.

    (s_{t+1}, y_{t+1}) = step(s_t, x_t),     x_t = the true frame while there is one, then y_t

Training may go on giving true frames after the context, at random times (scheduled sampling: Bengio et al.,
NeurIPS 2015, arXiv:1506.03099), which is what `Forcing` says.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..._module import Module
from ...nn.patches import from_patches, to_patches
from ._frames import checked_frames


class Forcing(Module):
    """True frames to continue from, in place of predicted ones.

    Args:
        frames: the frames that are to be forecast.
        mask: after which of them the model continues from the true one; the last entry does not
            matter. For scheduled sampling draw `jax.random.bernoulli(key, p, (time_out,))` in each step.
    """

    frames: Float[Array, "time_out channels height width"]
    mask: Bool[Array, " time_out"]


class AbstractRecurrentForecaster(Module):
    """Forecast video by rolling a recurrent network out on its own predictions."""

    time_out: eqx.AbstractVar[int]
    channels: eqx.AbstractVar[int]
    patch: eqx.AbstractVar[int]

    def __call__(
        self,
        x: Float[Array, "time_in channels height width"],
        *,
        key: PRNGKeyArray | None = None,
        forcing: Forcing | None = None,
    ) -> Float[Array, "time_out channels height width"]:
        """Forecast one sample.

        Args:
            x: the frames so far, any number of them.
            key: not used, nothing here is random; the interface of all forecasters of video has it.
            forcing: true frames to continue from in training.

        Raises:
            ValueError: frames of another shape, or that the patches do not tile.
        """
        return self.one_step(x, forcing=forcing)[-self.time_out :]

    def one_step(
        self,
        x: Float[Array, "time_in channels height width"],
        *,
        forcing: Forcing | None = None,
    ) -> Float[Array, "time_predicted channels height width"]:
        """What is predicted after every frame: frames 1, 2, ... of the context, then the forecast.

        The losses of PredRNN, PhyDNet and E3D-LSTM count all of these.
        """
        x = self._checked(x, "x", None)
        rest = self.time_out - 1
        if forcing is None:
            true = jnp.zeros((rest, *x.shape[1:]), x.dtype)
            mask = jnp.zeros(rest, bool)
        else:
            true = self._checked(forcing.frames, "forcing.frames", self.time_out)
            if true.shape[1:] != x.shape[1:] or forcing.mask.shape != (self.time_out,):
                raise ValueError(
                    f"{type(self).__name__} expected forcing with frames like those of x, {x.shape[1:]}, "
                    f"and a mask of shape {(self.time_out,)}, got {true.shape[1:]} and "
                    f"{forcing.mask.shape}; give what is to be forecast."
                )
            true, mask = true[:-1], forcing.mask[:-1]
        # Channels last inside, as the blocks have them.
        frames = jnp.moveaxis(jnp.concatenate([x, true]), 1, -1)
        frames = to_patches(frames, self.patch)
        given = jnp.concatenate([jnp.ones(x.shape[0], bool), mask])

        def step(carry, inputs):
            state, previous = carry
            frame, is_given = inputs
            state, predicted = self._step(state, jnp.where(is_given, frame, previous))
            return (state, predicted), predicted

        # One loop over context and forecast, so that the step is compiled once.
        state = self._start(frames.shape[0], frames.shape[1:3], frames.dtype)
        start = (state, jnp.zeros_like(frames[0]))
        predicted = jax.lax.scan(step, start, (frames, given))[1]
        return jnp.moveaxis(from_patches(predicted, self.patch), -1, 1)

    @abstractmethod
    def _start(self, steps: int, space: tuple[int, ...], dtype) -> Any:
        """The state before the first of so many frames of this size."""

    @abstractmethod
    def _step(
        self, state: Any, frame: Float[Array, "rows columns patch_channels"]
    ) -> tuple[Any, Float[Array, "rows columns patch_channels"]]:
        """The state after a frame, and the prediction of the next one, both in patches."""

    def _checked(self, frames: Any, name: str, time: int | None) -> Array:
        return checked_frames(
            type(self).__name__,
            frames,
            channels=self.channels,
            time=time,
            multiple=self.patch,
            name=name,
        )
