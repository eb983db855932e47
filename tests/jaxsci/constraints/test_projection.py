"""Projection onto A u = b: optimal, exact, idempotent, structured, linear in the number of cells."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import AffineConstraint, conservation, project, stack
from solvers import Grid

N, M = 23, 3
ROUND_OFF = 1e-11  # float64 with condition numbers below 1e4


@pytest.fixture
def problem(x64):
    keys = jax.random.split(jax.random.key(0), 5)
    root = jax.random.normal(keys[0], (N, N))
    covariance = root @ root.T / N + 0.1 * jnp.eye(N)
    return {
        "mean": jax.random.normal(keys[1], (N,)),
        "covariance": covariance,
        "scale": 0.1 + jax.random.uniform(keys[2], (N,)),
        "rows": jax.random.normal(keys[3], (M, N)),
        "values": jax.random.normal(keys[4], (M,)),
    }


def gaussians(problem):
    diagonal = dist.Normal(problem["mean"], problem["scale"])
    dense = dist.MultivariateNormal(problem["mean"], problem["covariance"])
    return (diagonal, jnp.diag(problem["scale"] ** 2)), (dense, problem["covariance"])


def formula(mean, sigma, a, b, noise=0.0):
    """The update written with dense matrices, as an oracle."""
    s = a @ sigma @ a.T + noise * jnp.eye(len(b))
    gain = sigma @ a.T @ jnp.linalg.inv(s)
    return mean - gain @ (a @ mean - b), sigma - gain @ a @ sigma


def test_projection_properties(problem):
    a, b = problem["rows"], problem["values"]
    for prior, sigma in gaussians(problem):
        out = project(prior, AffineConstraint(a, b))
        p = jnp.eye(N) - sigma @ a.T @ jnp.linalg.inv(a @ sigma @ a.T) @ a
        posterior = out.covariance_matrix
        assert jnp.abs(a @ out.mean - b).max() < ROUND_OFF
        assert jnp.abs(p @ p - p).max() < ROUND_OFF
        assert jnp.abs(a @ posterior @ a.T).max() < ROUND_OFF
        assert jnp.abs(posterior - p @ sigma @ p.T).max() < ROUND_OFF
        assert np.linalg.matrix_rank(np.asarray(p), tol=1e-8) == N - M
        assert jnp.linalg.eigvalsh(sigma - posterior).min() > -ROUND_OFF
        np.testing.assert_allclose(out.variance, jnp.diagonal(posterior), atol=ROUND_OFF)
        again = project(dist.Normal(out.mean, 1.0), AffineConstraint(a, b))
        np.testing.assert_allclose(again.mean, out.mean, atol=ROUND_OFF)


@pytest.mark.parametrize("noise", [None, 0.3])
def test_matches_the_dense_formula(problem, noise):
    for prior, sigma in gaussians(problem):
        out = project(prior, AffineConstraint(problem["rows"], problem["values"], noise))
        mean, covariance = formula(
            problem["mean"], sigma, problem["rows"], problem["values"], noise or 0.0
        )
        np.testing.assert_allclose(out.mean, mean, atol=ROUND_OFF)
        np.testing.assert_allclose(out.covariance_matrix, covariance, atol=ROUND_OFF)


def test_noise_limit(problem):
    """The residual is exactly (I + A Sigma A^T / r)^-1 r_0: slope 2 in sigma, and the prior for r -> inf."""
    a, b = problem["rows"], problem["values"]
    prior, sigma = gaussians(problem)[1]
    r0 = a @ problem["mean"] - b
    sizes = []
    for std in (1e-2, 1e-3):
        out = project(prior, AffineConstraint(a, b, std**2))
        exact = jnp.linalg.solve(jnp.eye(M) + a @ sigma @ a.T / std**2, r0)
        np.testing.assert_allclose(a @ out.mean - b, exact, atol=1e-12)
        sizes.append(jnp.linalg.norm(exact))
    # Next order is std^2 relative: 1e-4.
    np.testing.assert_allclose(jnp.log10(sizes[0] / sizes[1]), 2, atol=1e-3)
    far = project(prior, AffineConstraint(a, b, 1e14))
    np.testing.assert_allclose(far.mean, problem["mean"], atol=1e-11)


def test_unit_variance_is_the_euclidean_projection_and_zero_variance_does_not_move(problem):
    a, b = problem["rows"], problem["values"]
    out = project(dist.Normal(problem["mean"], jnp.ones(N)), AffineConstraint(a, b))
    euclidean = problem["mean"] - a.T @ jnp.linalg.solve(a @ a.T, a @ problem["mean"] - b)
    np.testing.assert_allclose(out.mean, euclidean, atol=ROUND_OFF)
    frozen = jnp.arange(N) % 4 == 0
    out = project(
        dist.Normal(problem["mean"], jnp.where(frozen, 0.0, problem["scale"]), validate_args=False),
        AffineConstraint(a, b),
    )
    np.testing.assert_array_equal(out.mean[frozen], problem["mean"][frozen])
    np.testing.assert_array_equal(out.variance[frozen], 0)


def test_solves_the_weighted_least_squares_problem(problem):
    """Karush-Kuhn-Tucker system of min |u - mu|^2 in the precision norm with A u = b."""
    a, b = problem["rows"], problem["values"]
    for prior, sigma in gaussians(problem):
        precision = jnp.linalg.inv(sigma)
        kkt = jnp.block([[precision, a.T], [a, jnp.zeros((M, M))]])
        u = jnp.linalg.solve(kkt, jnp.concatenate([precision @ problem["mean"], b]))[:N]
        np.testing.assert_allclose(project(prior, AffineConstraint(a, b)).mean, u, atol=1e-10)


def test_time_covariance_cancels_from_the_mean(x64):
    """Kronecker covariance with one row a time slice: slices project independently."""
    keys = jax.random.split(jax.random.key(3), 4)
    nt, nx = 4, 6
    factors = [jax.random.normal(k, (n, n)) for k, n in zip(keys, (nt, nx), strict=False)]
    sigma_t, sigma_x = (f @ f.T + jnp.eye(len(f)) for f in factors)
    g = jax.random.uniform(keys[2], (nx,))
    mean = jax.random.normal(keys[3], (nt, nx))
    b = jnp.arange(float(nt))
    dense = dist.MultivariateNormal(mean.ravel(), jnp.kron(sigma_t, sigma_x))
    whole = project(dense, AffineConstraint(jnp.kron(jnp.eye(nt), g[None]), b)).mean
    slices = project(
        dist.MultivariateNormal(mean, sigma_x), AffineConstraint(g[None], b[:, None])
    ).mean
    np.testing.assert_allclose(whole.reshape(nt, nx), slices, atol=ROUND_OFF)


@pytest.mark.parametrize(("dtype", "bound"), [(jnp.float32, 1e-6), (jnp.float64, 1e-12)])
@pytest.mark.parametrize("cells", [10, 201, 100_000])
def test_conservation_error(dtype, bound, cells, x64):
    grid = Grid.uniform(0.0, 1.0, cells)
    keys = jax.random.split(jax.random.key(1), 2)
    mean = 1 + jax.random.normal(keys[0], (4, cells), dtype)
    scale = 0.01 + jax.random.uniform(keys[1], (4, cells), dtype)
    total = jnp.array([0.5, 1.0, 1.5, 2.0], dtype)
    out = project(dist.Normal(mean, scale), conservation(grid, total))
    assert out.mean.dtype == dtype
    mass = np.asarray(out.mean, np.float64) @ np.asarray(grid.volumes, np.float64).ravel()
    np.testing.assert_allclose(mass, total, rtol=0, atol=bound)


def test_samples_satisfy_the_constraint_and_have_its_covariance(problem):
    a, b = problem["rows"], problem["values"]
    out = project(gaussians(problem)[0][0], AffineConstraint(a, b))
    u = out.sample(jax.random.key(1), (40_000,))
    assert jnp.abs(u @ a.T - b).max() < ROUND_OFF
    # Monte Carlo: variances below 1.2, so 5 standard errors are 5 * 1.2 * sqrt(2 / 40000) = 0.04.
    np.testing.assert_allclose(jnp.cov(u.T), out.covariance_matrix, atol=0.04)
    np.testing.assert_allclose(u.mean(0), out.mean, atol=0.03)


def test_log_density(problem):
    """Noisy rows: the Gaussian with the posterior moments. Exact rows: a density on the plane."""
    a, b = problem["rows"], problem["values"]
    for prior, _ in gaussians(problem):
        out = project(prior, AffineConstraint(a, b, 0.2))
        u = jax.random.normal(jax.random.key(4), (5, N))
        expected = dist.MultivariateNormal(out.mean, out.covariance_matrix).log_prob(u)
        np.testing.assert_allclose(out.log_prob(u), expected, rtol=1e-9)
    exact = project(prior, AffineConstraint(a, b))
    on_plane = exact.sample(jax.random.key(5), (3,))
    # In an orthonormal basis of the plane the posterior is an ordinary Gaussian.
    basis = jnp.asarray(np.linalg.svd(np.asarray(a))[2][M:])
    reduced = dist.MultivariateNormal(basis @ exact.mean, basis @ exact.covariance_matrix @ basis.T)
    np.testing.assert_allclose(
        exact.log_prob(on_plane), reduced.log_prob(on_plane @ basis.T), rtol=1e-9
    )
    assert jnp.all(exact.log_prob(on_plane + 0.1) == -jnp.inf)


def test_fields_of_two_dimensions(x64):
    grid = Grid.uniform((0.0, 0.0), (1.0, 2.0), (4, 5))
    mean = jax.random.normal(jax.random.key(0), (7, 4, 5))
    out = project(dist.Normal(mean, 0.1), conservation(grid, 3.0))
    assert out.mean.shape == out.variance.shape == (7, 4, 5)
    np.testing.assert_allclose((out.mean * grid.volumes).sum((-1, -2)), 3.0, atol=1e-13)


def test_transformations(problem):
    """jit, grad through mean and values, and vmap agree with the plain call."""
    a, b, scale = problem["rows"], problem["values"], problem["scale"]
    call = lambda mean, b: project(dist.Normal(mean, scale), AffineConstraint(a, b)).mean
    np.testing.assert_allclose(
        jax.jit(call)(problem["mean"], b), call(problem["mean"], b), atol=1e-14
    )
    means = jnp.stack([problem["mean"], 2 * problem["mean"]])
    np.testing.assert_allclose(
        jax.vmap(call, (0, None))(means, b), jnp.stack([call(m, b) for m in means]), atol=1e-14
    )
    gradient = jax.grad(lambda b: jnp.sum(call(problem["mean"], b) ** 2))(b)
    shift = jnp.eye(M) * 1e-5
    difference = jnp.stack(
        [
            (
                jnp.sum(call(problem["mean"], b + s) ** 2)
                - jnp.sum(call(problem["mean"], b - s) ** 2)
            )
            / 2e-5
            for s in shift
        ]
    )
    # The function is quadratic in b: central differences leave only round-off, 1e-16 / 1e-5.
    np.testing.assert_allclose(gradient, difference, rtol=1e-8)


def test_distributions_made_under_vmap(problem):
    """numpyro keeps the batch shape of one sample; projection, mean and samples must not."""
    means = jnp.stack([problem["mean"], 2 * problem["mean"]])
    constraint = AffineConstraint(problem["rows"], problem["values"])
    batch = jax.vmap(lambda m: dist.Normal(m, problem["scale"]))(means)
    out = project(batch, constraint)
    assert out.mean.shape == (2, N)
    inside = jax.vmap(lambda d: project(d, constraint).mean)(batch)
    np.testing.assert_allclose(inside, out.mean, atol=1e-14)
    u = out.sample(jax.random.key(0), (3,))
    assert u.shape == (3, 2, N)
    assert jnp.abs(u @ problem["rows"].T - problem["values"]).max() < ROUND_OFF


def test_a_batch_of_values_gives_every_field_its_own_noise(x64):
    out = project(
        dist.Normal(jnp.zeros(4), 1.0), conservation(Grid.uniform(0.0, 1.0, 4), jnp.arange(3.0))
    )
    u = out.sample(jax.random.key(0), (5,))
    assert u.shape == (5, 3, 4)
    np.testing.assert_allclose(u.mean(-1), jnp.broadcast_to(jnp.arange(3.0), (5, 3)), atol=1e-14)
    assert jnp.abs((u[:, 1] - u[:, 0]) - 1).max() > 0.1


def test_no_quadratic_memory():
    """A million cells would need 4 terabytes as a matrix; compiled temporaries stay linear."""
    n = 1_000_000

    @jax.jit
    def call(mean, scale, row):
        out = project(dist.Normal(mean, scale), AffineConstraint(row, jnp.ones(1)))
        return out.mean, out.variance, out.sample(jax.random.key(0))

    shape = jax.ShapeDtypeStruct((n,), jnp.float32)
    memory = (
        call.lower(shape, shape, jax.ShapeDtypeStruct((1, n), jnp.float32))
        .compile()
        .memory_analysis()
    )
    # Gain, variance and padded rows: well under 20 vectors of 4 bytes.
    assert memory.temp_size_in_bytes < 20 * 4 * n
    small = 1000
    jaxpr = jax.make_jaxpr(call)(jnp.zeros(small), jnp.ones(small), jnp.ones((1, small)))
    sizes = [v.aval.size for eqn in _equations(jaxpr.jaxpr) for v in eqn.outvars]
    assert len(sizes) > 10
    # Rows are padded to whole blocks of 128 cells.
    assert max(sizes) <= 2 * small


def _equations(jaxpr):
    """All equations, those of inner programs included."""
    for eqn in jaxpr.eqns:
        yield eqn
        for parameter in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_program):
            if _is_program(parameter):
                yield from _equations(getattr(parameter, "jaxpr", parameter))


def _is_program(value):
    return hasattr(value, "jaxpr") or hasattr(value, "eqns")


@pytest.mark.parametrize("double", [False, True])
def test_rows_that_are_close_but_independent_stay_exact(double, request):
    if double:
        request.getfixturevalue("x64")
    first = jnp.ones(64)
    rows = jnp.stack([first, first + 0.02 * jnp.sin(jnp.arange(64.0))])
    values = jnp.array([32.0, 32.1])
    mean, scale = jnp.linspace(0.0, 1.0, 64), jnp.linspace(0.5, 1.0, 64)
    out = project(dist.Normal(mean, scale), AffineConstraint(rows, values))
    # Relative to the row sums of 32: the last digits of the precision.
    assert jnp.abs(out.mean @ rows.T - values).max() < (1e-12 if double else 1e-6) * 32


def test_rows_too_close_for_the_precision_are_refused():
    rows = jnp.stack([jnp.ones(8), jnp.ones(8).at[0].add(1e-3)])
    with pytest.raises(ValueError, match=r"nearly a combination of rows \[0\]"):
        AffineConstraint(rows, jnp.ones(2))


@pytest.mark.usefixtures("x64")
def test_rows_are_judged_in_the_precision_of_the_field():
    """Far enough apart in float64, where the constraint was built, and not in float32."""
    rows = jnp.stack([jnp.ones(64), 1 + 1e-4 * jnp.sin(jnp.arange(64.0))])
    constraint = AffineConstraint(rows, jnp.array([32.0, 32.001]))
    out = project(dist.Normal(jnp.zeros(64), 1.0), constraint)
    assert jnp.abs(constraint.residual(out.mean)).max() < 32e-12
    with pytest.raises(eqx.EquinoxRuntimeError, match="singular in float32"):
        project(dist.Normal(jnp.zeros(64, jnp.float32), 1.0), constraint)


def test_fields_that_cannot_be_projected_are_refused():
    grid = Grid.uniform(0.0, 1.0, 4)
    with pytest.raises(ValueError, match=r"values of the batch \(2,\) of the fields, got \(3,\)"):
        project(dist.Normal(jnp.zeros((2, 4)), 1.0), conservation(grid, jnp.ones(3)))
    for name, bad in {"mean": (jnp.nan, 1.0), "variance": (0.0, jnp.inf)}.items():
        loc, scale = jnp.zeros(4).at[2].set(bad[0]), jnp.ones(4).at[2].set(bad[1])
        field = dist.Normal(loc, scale, validate_args=False)
        with pytest.raises(ValueError, match=rf"finite {name}, got (nan|inf) at index \(2,\)"):
            project(field, conservation(grid, 1.0))
    with pytest.raises(ValueError, match="at least one row"):
        AffineConstraint(jnp.zeros((0, 4)), jnp.zeros(0))
    with pytest.raises(ValueError, match="real numbers, got complex64"):
        AffineConstraint(jnp.ones((1, 4), complex), jnp.zeros(1))
    with pytest.raises(TypeError):
        conservation(jnp.ones(4), 1.0)  # pyright: ignore[reportArgumentType]


def test_values_broadcast_into_the_batch_of_fields_and_never_enlarge_it():
    grid = Grid.uniform(0.0, 1.0, 4)
    field, totals = dist.Normal(jnp.zeros((5, 1, 4)), 0.1), jnp.arange(5.0)
    assert project(field, conservation(grid, totals[:, None])).mean.shape == (5, 1, 4)
    for fields, total in (((5, 1, 4), totals), ((1, 4), totals), ((5, 4), totals[:, None])):
        with pytest.raises(ValueError, match=r"of the batch .* of the fields, got .*; give one"):
            project(dist.Normal(jnp.zeros(fields), 0.1), conservation(grid, total))
        with pytest.raises(ValueError, match=r"of the batch .* of the fields, got .*; give one"):
            conservation(grid, total).residual(jnp.zeros(fields))


def test_residual_takes_the_fields_that_project_takes():
    constraint = conservation(Grid.uniform((0.0, 0.0), (1.0, 2.0), (4, 8)), 1.0)
    for shape in ((4, 8), (32,), (3, 4, 8), (3, 32)):
        u = jnp.ones(shape)
        batch = project(dist.Normal(u, 1.0), constraint).batch_shape
        assert constraint.residual(u).shape == (*batch, 1)
    for shape in ((), (1,), (8,), (3, 31)):
        with pytest.raises(ValueError, match="trailing axes hold n=32 cells, got shape"):
            constraint.residual(jnp.ones(shape))


def test_event_dimensions_change_nothing():
    constraint = conservation(Grid.uniform(0.0, 1.0, 4), 1.0)
    normal = dist.Normal(jnp.zeros((3, 4)), 0.1 + jnp.arange(4.0))
    plain = project(normal, constraint)
    for field in (normal.to_event(1), normal.to_event(1).to_event(1)):
        np.testing.assert_array_equal(project(field, constraint).mean, plain.mean)


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_another_kind_are_refused():
    grid = Grid.uniform(0.0, 1.0, 4)
    with pytest.raises(TypeError, match="expected an AffineConstraint, got NoneType; build one"):
        project(dist.Normal(jnp.zeros(4), 1.0), None)
    with pytest.raises(TypeError, match=r"a solvers\.Grid, got NoneType"):
        conservation(None, 1.0)
    with pytest.raises(TypeError, match="expected arrays of numbers, got NoneType"):
        conservation(grid, None)


def test_bad_constraints_are_refused():
    rows = np.eye(3, 5)
    with pytest.raises(ValueError, match="at most as many rows as cells, got 6 rows for 5 cells"):
        AffineConstraint(np.ones((6, 5)), np.ones(6))
    with pytest.raises(
        ValueError,
        match=r"row 2, which is nearly a combination of rows \[0, 1\] and contradicts its value",
    ):
        AffineConstraint(np.stack([rows[0], rows[1], rows[0] + rows[1]]), np.array([1.0, 2.0, 4.0]))
    with pytest.raises(
        ValueError, match=r"row 1, which is nearly a combination of rows \[0\] and repeats them"
    ):
        AffineConstraint(np.stack([rows[0], 2 * rows[0]]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="row 0, which is zero and contradicts its value"):
        AffineConstraint(np.zeros((1, 5)), np.ones(1))
    with pytest.raises(ValueError, match="finite values, got nan at index"):
        AffineConstraint(rows, np.array([0.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match="positive noise variances"):
        AffineConstraint(rows, np.zeros(3), noise=-1.0)
    with pytest.raises(ValueError, match="one variance for each row"):
        AffineConstraint(rows, np.zeros(3), noise=np.ones(2))
    with pytest.raises(ValueError, match=r"rows of shape \(m, n\)"):
        AffineConstraint(rows, np.zeros(4))


def test_rows_are_judged_inside_jit_where_their_numbers_are_known():
    grid = Grid.uniform(0.0, 1.0, 8)

    def rows(total):
        return stack(conservation(grid, 0.2), conservation(grid, total)).values

    message = r"row 1, which is nearly a combination of rows \[0\] and repeats or contradicts them"
    for transform in (jax.jit, jax.vmap, jax.jacfwd):
        with pytest.raises(ValueError, match=message):
            transform(rows)(jnp.ones(3) if transform is jax.vmap else 0.3)
    with pytest.raises(ValueError, match="row 0, which is zero and fixes nothing"):
        jax.jit(lambda b: AffineConstraint(np.zeros((1, 5)), b).values)(jnp.ones(1))
    with pytest.raises(ValueError, match="positive noise variances, got -1"):
        jax.jit(lambda b: conservation(grid, b, noise=-1.0).values)(0.3)
    # What is known as a whole gets the whole verdict.
    with pytest.raises(ValueError, match="contradicts its value"):
        jax.jit(lambda u: stack(conservation(grid, 0.2), conservation(grid, 0.3)).residual(u))(
            jnp.ones(8)
        )


def test_traced_rows_that_depend_on_each_other_are_refused_at_run_time():
    field = dist.Normal(jnp.zeros(8), 1.0)
    twice = eqx.filter_jit(lambda a: project(field, AffineConstraint(a, jnp.ones(2))).mean)
    with pytest.raises(eqx.EquinoxRuntimeError, match="remove rows that repeat or contradict"):
        twice(jnp.ones((2, 8)))


def test_bad_projections_are_refused():
    constraint = AffineConstraint(np.ones((1, 5)), np.ones(1))
    with pytest.raises(ValueError, match="trailing axes hold n=5 cells, got shape"):
        project(dist.Normal(jnp.zeros(6), 1.0), constraint)
    with pytest.raises(TypeError, match="expected a numpyro Normal"):
        project(dist.Gamma(jnp.ones(5)), constraint)
    with pytest.raises(Exception, match=r"A Σ Aᵀ . R singular"):
        project(dist.Normal(jnp.zeros(5), 0.0, validate_args=False), constraint)


def test_any_order_of_bytes():
    u, grid = np.linspace(1.0, 2.0, 8), Grid.uniform(0.0, 1.0, 8)
    total = conservation(grid, np.array(1.25, ">f8"))
    means = [
        project(dist.Normal(u.astype(kind), np.ones(8, kind)), total).mean
        for kind in (">f8", "<f8")
    ]
    np.testing.assert_array_equal(*means)
