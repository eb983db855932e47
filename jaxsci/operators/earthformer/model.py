r"""Earthformer: a hierarchical encoder and decoder of cuboid attention that forecasts frames from frames.

    x → Stem → + positions → levels of self-attention → memory
    queries → levels of self-attention and readings of the memory → Head → forecast

All frames are predicted at once. Films are laid out as (time, channels, height, width); inside, channels come
last, as in the paper.

Reference: Gao et al., Earthformer: Exploring Space-Time Transformers for Earth System Forecasting, NeurIPS
2022, arXiv:2207.05833, section 3. Departures, each undone by `compat="earthformer"`: padding is never attended
to; a decoder's self-attention is sized by the frames that it predicts.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._arrays import as_jax, check_floating
from ..._checks import check_key, whole
from ..._module import Module
from ...nn.cuboid.self_attention import Compat, check_heads
from ...nn.frames import nearest
from ...nn.positions import PositionEmbedding, Positions
from .decoder import QueryDecoder
from .encoder import Encoder
from .presets import PRESETS
from .recipe import Recipe, Shape
from .sizes import check_depth, check_shapes, check_windows, level_shapes
from .stem import Head, Stage, Stem
from .unet import UNetDecoder


class Earthformer(Module):
    """Forecast frames from frames.

    The defaults suit frames of 16 x 16 to 64 x 64 points. `Earthformer.preset` has the published sizes.

    Args:
        shape_in: (time, channels, height, width) of what is observed.
        shape_out: the same of what is predicted; height and width must agree.
        base: channels of the finest tokens; each coarser level has twice as many.
        depth: stacks of attention of each level, the finest first.
        stem: stages of the stem, (channels, patch) each, where a patch is a side or (height, width); the
            last has `base` channels. None for one stage with patches of 2 x 2.
        final_convs: convolutions of each stage of the head.
        heads: attention heads; divide `base`.
        pattern: cuboids of self-attention; see `jaxsci.nn.self_pattern`.
        cross: windows of cross-attention; see `jaxsci.nn.cross_pattern`.
        num_globals: number of global vectors.
        separate_globals: own maps for each direction between tokens and global vectors.
        global_attention: whether global vectors see each other.
        global_feed_forward: whether global vectors have feed-forward layers.
        decoder_globals: whether the decoder reads them. Published decoders do not, so that the last
            update of the vectors is without effect.
        positions: kind of the position embeddings, "t+h+w" or "t+hw".
        auxiliary: channels of what else is known of the past and of the future, such as weather; with them
            the decoder is a U-Net.
        dropout: share of dropped entries, active only where a call gets a key.
        pad: fill up cuboids where windows do not divide the tokens, with tokens that nobody attends to, instead
            of refusing them.
        compat: "earthformer" for what the published code does, to the letter and with its weights' shapes.
        chunk: tokens that attention works on at once; None for what suits the device.
        key: random key of the initial weights.

    Raises:
        ValueError: shapes, sizes or windows that do not fit.
        TypeError: a key that is none.
    """

    stem: Stem
    auxiliary_stem: Stem | None
    positions: PositionEmbedding
    vectors: Float[Array, "P base"] | None
    encoder: Encoder
    decoder: QueryDecoder | UNetDecoder
    head: Head
    shape_in: Shape = eqx.field(static=True)
    shape_out: Shape = eqx.field(static=True)
    auxiliary: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        shape_in: Shape,
        shape_out: Shape,
        base: int = 64,
        depth: tuple[int, ...] = (1, 1),
        stem: tuple[tuple[int, int | tuple[int, int]], ...] | None = None,
        final_convs: int = 2,
        heads: int = 4,
        pattern: str = "axial",
        cross: str = "cross_1x1",
        num_globals: int = 0,
        separate_globals: bool = False,
        global_attention: bool = False,
        global_feed_forward: bool = False,
        decoder_globals: bool = False,
        positions: Positions = "t+h+w",
        auxiliary: int = 0,
        dropout: float = 0.1,
        pad: bool = False,
        compat: Compat | None = None,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        who = "Earthformer"
        check_key(who, key)
        self.shape_in, self.shape_out = check_shapes(who, shape_in=shape_in, shape_out=shape_out)
        self.auxiliary = whole(who, "auxiliary", auxiliary, 0)
        base = whole(who, "base", base)
        check_heads(who, base, whole(who, "heads", heads))
        num_globals = whole(who, "num_globals", num_globals, 0)
        depth = check_depth(who, depth)
        if compat not in (None, "earthformer"):
            raise ValueError(
                f"Earthformer expected compat None or 'earthformer', got {compat!r}; None is right where no "
                "published weights have to be matched."
            )
        stages = _stages(stem, base)
        shapes = level_shapes(
            who,
            self.shape_in,
            stem=tuple(patch for _, patch in stages),
            base=base,
            levels=len(depth),
        )
        # The published code fills up all that does not fit.
        for name in (pattern, cross):
            check_windows(who, name, shapes, shape_out[0], pad=pad or compat is not None)
        recipe = Recipe(
            heads=heads,
            pattern=pattern,
            cross=cross,
            frames=shape_in[0] + shape_out[0],
            vectors=num_globals > 0,
            separate=separate_globals,
            vector_attention=global_attention,
            vector_feed_forward=global_feed_forward,
            decoder_vectors=decoder_globals,
            dropout=dropout,
            compat=compat,
            chunk=None if chunk is None else whole(who, "chunk", chunk),
        )
        keys = jax.random.split(key, 7)
        self.stem = Stem(shape_in[1], stages=stages, key=keys[0])
        self.positions = PositionEmbedding(base, shape=shapes[0][:3], kind=positions, key=keys[1])
        self.vectors = (
            0.02 * jax.random.normal(keys[2], (num_globals, base)) if num_globals else None
        )
        self.encoder = Encoder(shapes, depth=depth, recipe=recipe, key=keys[3])
        options = {"frames": shape_out[0], "depth": depth, "recipe": recipe, "key": keys[4]}
        if auxiliary:
            self.decoder = UNetDecoder(shapes, **options)
            self.auxiliary_stem = Stem(auxiliary, stages=stages, key=keys[5])
        else:
            self.decoder = QueryDecoder(shapes, positions=positions, **options)
            self.auxiliary_stem = None
        self.head = Head(
            shape_out[1], size=shape_out[2:], stages=stages, convs=final_convs, key=keys[6]
        )

    @classmethod
    def preset(cls, name: str, *, key: PRNGKeyArray, **changes: Any) -> "Earthformer":
        """A published model.

        Args:
            name: "nbody", "enso", "sevir", "sevir-lr" or "earthnet" as released; "sevir-paper" or "enso-paper"
                of the size that the paper prints.
            key: random key of the initial weights.
            changes: arguments to change, such as `compat=None` for the published sizes without the slips
                of the published code.

        Raises:
            ValueError: another name.
        """
        if name not in PRESETS:
            raise ValueError(
                f"Earthformer.preset expected one of {', '.join(PRESETS)}, got {name!r}; for other sizes "
                "call Earthformer itself."
            )
        return cls(**{"compat": "earthformer", **PRESETS[name], **changes}, key=key)

    def __call__(
        self,
        x: Float[Array, "T_in C_in H W"],
        past: Float[Array, "T_past C_auxiliary H_past W_past"] | None = None,
        future: Float[Array, "T_future C_auxiliary H_future W_future"] | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "T_out C_out H W"]:
        """Forecast one film.

        Args:
            x: what was observed.
            past: what else is known of the observed frames, on any grid; repeated to that of `x`.
            future: the same of the frames to predict.
            key: where given, dropout is on; without it the forecast is deterministic.

        Raises:
            ValueError: another shape than the model was built for, missing auxiliary fields, or whole numbers.
        """
        x = as_jax("Earthformer", "x", x)
        if x.shape != self.shape_in:
            raise ValueError(
                f"Earthformer expected x of shape {self.shape_in} (time, channels, height, width), got "
                f"{x.shape}; use jax.vmap for batches, and build another model for other sizes."
            )
        check_floating("Earthformer", "x", x)
        keys = (None, None) if key is None else jax.random.split(key)
        tokens = self.stem(jnp.moveaxis(x, 1, -1))
        if self.auxiliary_stem is not None:
            tokens = tokens + self.auxiliary_stem(self._known("past", past, self.shape_in))
        elif past is not None or future is not None:
            raise ValueError(
                "Earthformer expected x alone, got auxiliary fields; build it with auxiliary=<their channels>."
            )
        vectors = None if self.vectors is None else self.vectors.astype(x.dtype)
        memory = self.encoder(self.positions(tokens), vectors, key=keys[0])
        if isinstance(self.decoder, QueryDecoder):
            tokens = self.decoder(memory, key=keys[1])
        else:
            assert self.auxiliary_stem is not None
            known = self.auxiliary_stem(self._known("future", future, self.shape_out))
            tokens = self.decoder(known, memory, key=keys[1])
        return jnp.moveaxis(self.head(tokens), -1, 1)

    def _known(self, name: str, field: Array | None, shape: Shape) -> Array:
        if field is None or field.ndim != 4 or field.shape[1] != self.auxiliary or not field.size:
            got = "none" if field is None else field.shape
            raise ValueError(
                f"Earthformer expected {name} of shape (time, channels={self.auxiliary}, height, width), got "
                f"{got}; give the auxiliary fields that it was built for."
            )
        check_floating("Earthformer", name, field)
        frames, _, height, width = shape
        return nearest(jnp.moveaxis(field, 1, -1), (frames, height, width))


def _stages(stem: Any, base: int) -> tuple[Stage, ...]:
    stages = []
    for channels, patch in ((base, 2),) if stem is None else stem:
        patch = patch if isinstance(patch, tuple) else (patch, patch)
        p, q = (whole("Earthformer", "each patch", side) for side in patch)
        stages.append((whole("Earthformer", "channels of a stage", channels), (p, q)))
    if not stages or stages[-1][0] != base:
        raise ValueError(
            f"Earthformer expected a last stage of the stem with base={base} channels, got "
            f"{stem!r}; write for example stem=(({base}, 2),)."
        )
    return tuple(stages)
