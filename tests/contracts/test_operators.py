"""One suite for every operator: one sample in, one out, under jit, vmap and grad, in both precisions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxsci.constraints import DirichletEnds, NeumannEnds, PeriodicEnds
from jaxsci.nn.precision import in_precision
from jaxsci.operators import (
    E3DLSTM,
    FNO,
    AttentiveNeuralProcess,
    BoundaryCorrectedFNO,
    ConvLSTM,
    Earthformer,
    FluxForm,
    LowRankNeuralOperator,
    Persistence,
    PhyDNet,
    PredRNN,
    Rainformer,
    StreamFunction,
    UNet,
    from_flax,
)
from jaxsci.operators.flax import NNXOperator
from solvers import Grid
from solvers.incompressible import StaggeredGrid


def fno(*modes):
    return FNO(in_channels=2, out_channels=2, width=6, modes=modes, depth=2, key=jax.random.key(0))


def fields(*space):
    return (jax.random.normal(jax.random.key(1), (3, 2, *space)),)


def ends(*space):
    return (*fields(*space), jnp.array([[0.1, -0.2]] * 3))


def functions():
    x = jax.random.uniform(jax.random.key(2), (3, 8, 2))
    return x, x[..., :1], x[:, ::-1]


def earthformer():
    frames = (2, 2, 8, 6)
    return Earthformer(
        shape_in=frames,
        shape_out=frames,
        base=8,
        heads=2,
        depth=(1,),
        pattern="full",
        decoder_globals=True,
        num_globals=2,
        key=jax.random.key(0),
    )


def stream():
    psi = FNO(in_channels=2, out_channels=1, width=6, modes=(3, 4), depth=2, key=jax.random.key(0))
    cells = Grid.uniform((0.0, 0.0), (8.0, 10.0), (8, 10))
    return StreamFunction(psi, StaggeredGrid(cells, periodic=(True, False)))


# name: operator, a batch of three inputs
OPERATORS = {
    "FNO 1-D": (fno(4), fields(16)),
    "FNO 2-D": (fno(3, 4), fields(8, 10)),
    "FNO 3-D": (fno(2, 2, 2), fields(6, 5, 4)),
    "BOON Dirichlet": (BoundaryCorrectedFNO(fno(4), DirichletEnds()), ends(16)),
    "BOON Neumann": (BoundaryCorrectedFNO(fno(4), NeumannEnds(1.0)), ends(16)),
    "BOON periodic": (BoundaryCorrectedFNO(fno(4), PeriodicEnds()), fields(16)),
    "BOON in time": (BoundaryCorrectedFNO(fno(2, 3), DirichletEnds()), ends(5, 16)),
    "LNO": (
        LowRankNeuralOperator(
            in_channels=2, out_channels=2, width=6, rank=4, depth=2, key=jax.random.key(0)
        ),
        fields(16),
    ),
    "ANP": (
        AttentiveNeuralProcess(dims=2, width=8, heads=2, key=jax.random.key(0)),
        functions(),
    ),
    "Earthformer": (earthformer(), (jax.random.normal(jax.random.key(1), (3, 2, 2, 8, 6)),)),
    "flux form": (FluxForm(fno(4), Grid.uniform(0.0, 16.0, 16), dt=0.1), fields(16)),
    "stream function": (stream(), fields(8, 10)),
    "Flax NNX": (from_flax(nnx.Linear(2, 2, rngs=nnx.Rngs(0))), fields(16)),
}

SMALL = {"time_out": 2, "channels": 1, "width": 4}
RECURRENT = SMALL | {"depth": 1, "kernel": 3, "patch": 2}

# name: forecaster of video, its options; the slow ones are many layers to compile
VIDEO = {
    "ConvLSTM": (ConvLSTM, RECURRENT),
    "PredRNN": (PredRNN, RECURRENT),
    "U-Net": (UNet, SMALL | {"time_in": 2, "depth": 1}),
}
SLOW_VIDEO = {
    "PhyDNet": (PhyDNet, SMALL | {"residual": (), "kernel": 3}),
    "E3D-LSTM": (E3DLSTM, RECURRENT),
    "Rainformer": (
        Rainformer,
        SMALL | {"time_in": 2, "head_size": 2, "window": 2, "patch": 2, "levels": 2},
    ),
}


def frames():
    return (jax.random.normal(jax.random.key(1), (3, 2, 1, 8, 8)),)


@pytest.fixture(
    params=[
        *OPERATORS,
        *VIDEO,
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_VIDEO),
    ]
)
def case(request, filled):
    if request.param in OPERATORS:
        return OPERATORS[request.param]
    forecaster, options = (VIDEO | SLOW_VIDEO)[request.param]
    return filled(forecaster, **options), frames()


def output(operator, *inputs):
    out = operator(*inputs)
    if isinstance(out, tuple):
        return jnp.concatenate([component.ravel() for component in out])
    return out if isinstance(out, jax.Array) else jnp.stack([out.loc, out.scale])


def test_batches_equal_single_samples(case):
    operator, batch = case
    one = jax.jit(operator)  # as it is: an operator is a function
    together = jax.jit(jax.vmap(lambda *x: output(operator, *x)))(*batch)
    for i in range(3):
        # Float32 sums in another order.
        np.testing.assert_allclose(
            together[i], output(one, *(x[i] for x in batch)), rtol=2e-4, atol=2e-5
        )


def test_single_precision_in_single_precision_out(case):
    operator, batch = case
    assert eqx.filter_eval_shape(output, operator, *(x[0] for x in batch)).dtype == jnp.float32


def test_double_precision_under_x64(case, x64):
    """Once as users of double precision have it: weights, fields and whatever counts or indexes in between."""
    operator, batch = case
    one = [x[0] for x in batch]
    assert eqx.filter_eval_shape(output, operator, *one).dtype == jnp.float32
    if isinstance(operator, NNXOperator):
        pytest.skip("Flax's modules have the precision that they were built with")
    double = in_precision(operator, jnp.float64)
    assert eqx.filter_eval_shape(output, double, *one).dtype == jnp.float32
    one = [x.astype(jnp.float64) for x in one]
    got = jax.jit(lambda *x: output(double, *x))(*one)
    assert got.dtype == jnp.float64
    # The numbers of single precision, which a few layers of float32 round.
    expected = jax.jit(lambda *x: output(operator, *x))(*(x[0] for x in batch))
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-4)


def test_gradients_are_finite_and_reach_parameters_and_input(case):
    operator, batch = case
    loss = lambda m, b: jnp.mean(jax.vmap(lambda *x: output(m, *x))(*b) ** 2)
    gradients = eqx.filter_jit(eqx.filter_grad(lambda mb: loss(*mb)))((operator, batch))
    leaves = jax.tree.leaves(gradients)
    assert all(jnp.isfinite(leaf).all() for leaf in leaves)
    assert sum(bool(jnp.any(leaf != 0)) for leaf in leaves) > len(leaves) // 2


def test_any_order_of_bytes_and_lists(case, unchecked):
    operator, batch = case
    one = [np.asarray(x[0]) for x in batch]
    for given in ([x.astype(">f4") for x in one], [x.tolist() for x in one]):
        out = jax.eval_shape(lambda given=given: output(operator, *given))
        assert out.dtype == jnp.float32


def test_calls_are_deterministic(case):
    operator, batch = case
    one, call = [x[0] for x in batch], jax.jit(operator)
    np.testing.assert_array_equal(output(call, *one), output(call, *one))


def test_persistence_is_a_forecaster_without_parameters():
    batch = frames()[0]
    together = jax.vmap(Persistence(time_out=2))(batch)
    np.testing.assert_array_equal(together, batch[:, [-1, -1]])
    assert not jax.tree.leaves(Persistence(time_out=2))
