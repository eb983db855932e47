import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsci.training import GeneratedSource, init_state, make_train_step


def test_step_is_pure(problem, loss_fn, key):
    optimizer = optax.adam(0.1)
    state = init_state(problem.model, optimizer)
    before = jax.tree.map(np.array, state)
    step = jax.jit(make_train_step(loss_fn, optimizer))
    first, _ = step(state, problem.arrays, key)
    again, _ = step(state, problem.arrays, key)
    chex.assert_trees_all_equal(first, again)
    chex.assert_trees_all_equal(state, before)
    assert (int(first.step), int(first.position)) == (1, 1)


def test_sgd_step_equals_the_formula(problem, loss_fn, key):
    optimizer = optax.sgd(0.1)
    state = init_state(problem.model, optimizer)
    new, metrics = make_train_step(loss_fn, optimizer)(state, problem.arrays, key)
    x, y = problem.arrays
    # At w = b = 0 the gradient of mean(e^2) over n samples and 2 outputs is -y-moments / n.
    grad_b = -jnp.mean(y, axis=0)
    grad_w = -(y.T @ x) / x.shape[0]
    norm = jnp.sqrt(jnp.sum(grad_w**2) + jnp.sum(grad_b**2))
    # A handful of float32 operations on numbers of order one.
    np.testing.assert_allclose(new.model.b, -0.1 * grad_b, rtol=1e-5)
    np.testing.assert_allclose(new.model.w, -0.1 * grad_w, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], jnp.mean(y**2), rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-5)
    np.testing.assert_allclose(metrics["update_norm"], 0.1 * norm, rtol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("pieces", [2, 4, 20])
def test_accumulated_gradient_equals_the_whole(loss_fn, key, pieces):
    model_key, x_key, y_key = jax.random.split(key, 3)
    model = eqx.nn.MLP(3, 2, 8, 2, key=model_key)
    batch = (jax.random.normal(x_key, (20, 3)), jax.random.normal(y_key, (20, 2)))
    optimizer = optax.sgd(1.0)  # the update is the gradient itself
    state = init_state(model, optimizer)
    whole, whole_metrics = eqx.filter_jit(make_train_step(loss_fn, optimizer))(state, batch, key)
    cut = make_train_step(loss_fn, optimizer, micro_batches=pieces)
    pieced, metrics = eqx.filter_jit(cut)(state, batch, key)
    arrays = [jax.tree.leaves(eqx.filter(s.model, eqx.is_array)) for s in (whole, pieced)]
    assert arrays[0][0].dtype == jnp.float64
    # Only the order of summation differs: float64 round-off of sums of 20 terms of order one.
    chex.assert_trees_all_close(*arrays, rtol=1e-13, atol=1e-14)
    chex.assert_trees_all_close(whole_metrics, metrics, rtol=1e-13)


def test_keys_differ_by_step_and_by_micro_batch(problem, key):
    def noise(model, batch, key):
        return 0.0 * jnp.sum(model.b), {"noise": jax.random.normal(key)}

    optimizer = optax.sgd(0.0)
    state = init_state(problem.model, optimizer)
    step = make_train_step(noise, optimizer)
    state, first = step(state, problem.arrays, key)
    state, second = step(state, problem.arrays, key)
    assert first["noise"] != second["noise"]

    # The mean over two micro-batches is the mean of two draws from keys folded twice.
    batch = jax.tree.map(lambda a: a[:22], problem.arrays)
    _, both = make_train_step(noise, optimizer, micro_batches=2)(state, batch, key)
    step_key = jax.random.fold_in(jax.random.fold_in(key, 2**32 - 1), 2)
    draws = [jax.random.normal(jax.random.fold_in(step_key, i)) for i in range(2)]
    assert draws[0] != draws[1]
    np.testing.assert_allclose(both["noise"], (draws[0] + draws[1]) / 2, rtol=1e-6)


def test_a_source_of_the_same_key_draws_other_numbers(problem, key):
    def noise(model, batch, key):
        return 0.0 * jnp.sum(model.b), {"loss's": jax.random.normal(key), "data's": batch}

    source = GeneratedSource(lambda key: jax.random.normal(jax.random.fold_in(key, 0)), key=key)
    optimizer = optax.sgd(0.0)
    state, step = init_state(problem.model, optimizer), make_train_step(noise, optimizer)
    for position in range(3):
        state, drawn = step(state, source.batch(position), key)
        assert drawn["loss's"] != drawn["data's"]


@pytest.mark.usefixtures("x64")
def test_moving_average_has_its_closed_form(key):
    # With a loss linear in w, sgd takes steps of -r, so w_t = -r t, and the average obeys
    # ema_t = -r sum_{s=1..t} (1 - d) d^(t-s) s = -r (t - d (1 - d^t) / (1 - d)).
    rate, decay, steps = 0.3, 0.9, 25
    optimizer = optax.sgd(rate)
    state = init_state(jnp.zeros(()), optimizer, ema=True)
    step = jax.jit(make_train_step(lambda w, batch, key: (w, {}), optimizer, ema_decay=decay))
    for _ in range(steps):
        state, _ = step(state, None, key)
    expected = -rate * (steps - decay * (1 - decay**steps) / (1 - decay))
    # 25 float64 additions.
    np.testing.assert_allclose(state.ema, expected, rtol=1e-13)
    np.testing.assert_allclose(state.inference_model, expected, rtol=1e-13)
    np.testing.assert_allclose(state.model, -rate * steps, rtol=1e-13)


def test_integer_leaves_are_carried_along(key):
    model = {"w": jnp.ones(3), "table": jnp.arange(4)}
    optimizer = optax.adam(0.1)
    state = init_state(model, optimizer, ema=True)
    step = make_train_step(lambda m, b, k: (jnp.sum(m["w"] ** 2), {}), optimizer, ema_decay=0.5)
    state, _ = step(state, None, key)
    np.testing.assert_array_equal(state.model["table"], jnp.arange(4))
    np.testing.assert_array_equal(state.ema["table"], jnp.arange(4))
    assert not np.array_equal(state.model["w"], model["w"])


def test_optimizer_sees_the_loss(problem, loss_fn, key):
    plateau = optax.chain(optax.sgd(0.0), optax.contrib.reduce_on_plateau(patience=1))
    state = init_state(problem.model, plateau)
    step = make_train_step(loss_fn, plateau)
    _, metrics = step(state, problem.arrays, key)
    state, _ = step(state, problem.arrays, key)
    np.testing.assert_allclose(state.opt_state[1].best_value, metrics["loss"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"micro_batches": 0}, r"expected micro_batches to be a whole number >= 1, got 0"),
        ({"ema_decay": 1.0}, r"expected 0 <= ema_decay < 1, got 1.0"),
    ],
)
def test_options_out_of_range_are_refused(loss_fn, options, message):
    with pytest.raises(ValueError, match=message):
        make_train_step(loss_fn, optax.sgd(0.1), **options)


@pytest.mark.usefixtures("unchecked")
def test_options_of_another_kind_are_refused(loss_fn):
    for pieces in (2.0, "2"):
        with pytest.raises(ValueError, match="micro_batches to be a whole number >= 1, got"):
            make_train_step(loss_fn, optax.sgd(0.1), micro_batches=pieces)
    with pytest.raises(TypeError, match="expected an optax transformation, got NoneType"):
        make_train_step(loss_fn, None)


def test_indivisible_batch_is_refused(problem, loss_fn, key):
    optimizer = optax.sgd(0.1)
    step = make_train_step(loss_fn, optimizer, micro_batches=4)
    with pytest.raises(
        ValueError, match=r"divisible by micro_batches=4, got .*\(23, 3\).*; change"
    ):
        step(init_state(problem.model, optimizer), problem.arrays, key)
    mixed = (jnp.ones((8, 3)), jnp.ones((4, 2)))
    with pytest.raises(ValueError, match=r"common to all leaves"):
        step(init_state(problem.model, optimizer), mixed, key)


def test_wrong_losses_are_refused(problem, key):
    optimizer = optax.sgd(0.1)
    state = init_state(problem.model, optimizer)
    per_sample = make_train_step(lambda m, b, k: (jnp.ones(3) * m.b[0], {}), optimizer)
    with pytest.raises(ValueError, match=r"scalars, got shapes .*\(3,\).*; take the mean"):
        per_sample(state, problem.arrays, key)
    taken = make_train_step(lambda m, b, k: (m.b[0], {"loss": m.b[0]}), optimizer)
    with pytest.raises(ValueError, match=r"got \['loss'\]; leave them out"):
        taken(state, problem.arrays, key)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (1.0, "expected to return a pair .* got float; return"),
        ((1.0, None), r"expected to return a pair .* got \(float, NoneType\)"),
        ((1.0, {}, 2), "expected to return a pair"),
        ((1, {}), "a loss in floating point, got int32"),
    ],
)
def test_what_is_no_loss_is_refused(problem, key, returned, message):
    optimizer = optax.sgd(0.1)
    step = make_train_step(lambda m, b, k: returned, optimizer)
    with pytest.raises(TypeError, match=message):
        step(init_state(problem.model, optimizer), problem.arrays, key)


def test_state_without_average_is_refused(problem, loss_fn, key):
    optimizer = optax.sgd(0.1)
    step = make_train_step(loss_fn, optimizer, ema_decay=0.9)
    with pytest.raises(ValueError, match=r"init_state\(model, optimizer, ema=True\)"):
        step(init_state(problem.model, optimizer), problem.arrays, key)


@pytest.mark.parametrize("micro_batches", [1, 4])
def test_complex_parameters_go_downhill(key, micro_batches):
    """JAX's gradient of |w − c|² is the conjugate of the way up."""

    def loss(w, batch, key):
        return jnp.mean(jnp.abs(w - batch) ** 2), {}

    optimizer = optax.sgd(0.25)
    step = make_train_step(loss, optimizer, micro_batches=micro_batches)

    @jax.jit
    def train(state):
        batch = jnp.full(4, 1 + 2j, jnp.complex64)
        return jax.lax.scan(lambda s, _: (step(s, batch, key)[0], None), state, length=30)[0]

    w = train(init_state(jnp.zeros((), jnp.complex64), optimizer)).model
    # Each step halves the distance: 2^-30 of it is left, below the round-off of complex64.
    np.testing.assert_allclose(w, 1 + 2j, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sums_over_pieces_and_steps_are_kept_in_single_precision(key, dtype):
    """In half precision 512 ones add up to 256, and an average of decay 0.999 stays where it was."""

    def loss(w, batch, key):
        return jnp.mean(w * batch), {}

    optimizer = optax.sgd(1.0)
    state = init_state(jnp.zeros((), dtype), optimizer, ema=True)
    step = make_train_step(loss, optimizer, micro_batches=512, ema_decay=0.999)
    state, metrics = jax.jit(step)(state, jnp.ones(512, dtype), key)
    assert (metrics["grad_norm"], state.model) == (1.0, -1.0)

    still = make_train_step(
        lambda w, batch, key: (0.0 * jnp.sum(w), {}), optimizer, ema_decay=0.999
    )
    start = init_state(jnp.ones((), dtype), optimizer, ema=True)
    start = eqx.tree_at(lambda s: s.ema, start, jnp.zeros((), jnp.float32))

    @jax.jit
    def average(state):
        return jax.lax.scan(lambda s, _: (still(s, 0, key)[0], None), state, length=3000)[0]

    mean = average(start).inference_model
    assert mean.dtype == dtype
    # 1 − 0.999^3000, to the four digits of float16 and the three of bfloat16.
    np.testing.assert_allclose(float(mean), 0.9503, atol=2e-3)


def test_moments_of_the_optimizer_are_kept_in_single_precision():
    state = init_state(jnp.zeros((), jnp.bfloat16), optax.adam(1e-3))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(state.opt_state)}
    assert dtypes == {jnp.dtype("float32"), jnp.dtype("int32")}
