import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers.incompressible import (
    KolmogorovForce,
    NavierStokes,
    NoSlip,
    kolmogorov,
    random_velocity,
    solve,
)

x64 = pytest.mark.usefixtures("x64")


@x64
def test_laminar_flow_is_an_equilibrium():
    flow = kolmogorov(viscosity=0.5, cells=16, amplitude=2.0, wavenumber=2)
    h = 2.0 * np.pi / 16
    # k² as the second difference sees it.
    squared = 4.0 / h**2 * np.sin(0.5 * 2 * h) ** 2
    u = flow.grid.sample(lambda x: (2.0 / (0.5 * squared) * jnp.sin(2.0 * x[1]), 0.0))
    for component in flow(0.0, u):
        np.testing.assert_allclose(component, 0.0, atol=1e-13)


def test_random_velocities(key):
    flow = kolmogorov(viscosity=0.01, cells=32)
    u = random_velocity(flow, key=key)
    assert u[0].shape == (32, 32)
    assert u[0].dtype == jnp.float32
    np.testing.assert_allclose(flow.grid.divergence(u), 0.0, atol=1e-4)  # rounding over h = 0.2
    np.testing.assert_allclose(flow.grid.energy(u), 0.5 * (2 * np.pi) ** 2, rtol=1e-5)
    # Waves shorter than three widths of the spectrum are below e^{−4.5} of their share.
    spectrum = np.abs(np.fft.fft2(u[0]))
    assert spectrum[13:20].max() < 0.02 * spectrum.max()


def test_a_turbulent_run_in_single_precision(key):
    flow = kolmogorov(viscosity=0.01, cells=32)
    solution = solve(flow, random_velocity(flow, key=key), t1=2.0, save_at=[1.0, 2.0], steps=60)
    assert solution.status.ok
    assert solution.velocity[0].dtype == jnp.float32
    np.testing.assert_allclose(flow.grid.divergence(solution.at(-1)), 0.0, atol=1e-4)


@x64
@pytest.mark.slow  # compiles a gradient
def test_the_force_can_be_differentiated():
    def energy(amplitude):
        flow = kolmogorov(viscosity=0.1, cells=8, amplitude=amplitude, wavenumber=1)
        rest = flow.grid.sample(lambda x: (0.0, 0.0))
        return flow.grid.energy(solve(flow, rest, t1=0.5, steps=10).at(-1))

    # The flow is laminar and proportional to the amplitude.
    np.testing.assert_allclose(jax.grad(energy)(2.0), energy(2.0), rtol=1e-12)


def test_mistakes_are_refused(key):
    with pytest.raises(ValueError, match=r"cells >= 4 .* got cells=3"):
        kolmogorov(viscosity=0.1, cells=3)
    with pytest.raises(ValueError, match="wavenumber=9"):
        kolmogorov(viscosity=0.1, cells=16, wavenumber=9)
    with pytest.raises(ValueError, match="viscosity was expected to be finite >= 0"):
        kolmogorov(viscosity=-0.1)
    flow = NavierStokes(
        grid=kolmogorov(viscosity=0.1).grid.cells,
        viscosity=0.1,
        boundary=NoSlip(),
        force=KolmogorovForce(),
    )
    with pytest.raises(ValueError, match="periodic on all axes, got walls"):
        random_velocity(flow, key=key)
