"""What BOON's correction costs: a training step of the corrected operator over one of the plain one.

`python -m experiments.speed.boon` prints the ratio for the published size in one dimension (width 64, 16
modes, batch 20, 1024 nodes), medians over alternated calls.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from experiments.speed.timing import alternated
from jaxsci.constraints import DirichletEnds, NeumannEnds
from jaxsci.metrics import relative_l2
from jaxsci.operators import FNO, BoundaryCorrectedFNO


def gradient(model, nodes: int, batch: int):
    """A compiled gradient of the batch's mean error, as a function of the operator's arrays."""
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    x_key, y_key = jax.random.split(jax.random.key(1))
    x = jax.random.normal(x_key, (batch, 1, nodes))
    y = jax.random.normal(y_key, (batch, 1, nodes))
    values = jnp.ones((batch, 2))

    @jax.jit
    def call(arrays):
        def loss(arrays):
            model = eqx.combine(arrays, rest)
            arguments = (x,) if isinstance(model, FNO) else (x, values)
            predicted = jax.vmap(model)(*arguments)
            return jax.vmap(relative_l2)(predicted, y).mean()

        return jax.grad(loss)(arrays)

    return lambda: call(arrays)


def main(nodes: int = 1024, batch: int = 20) -> None:
    """FNO, and the same corrected at two kinds of ends."""
    fno = FNO(
        in_channels=1, out_channels=1, width=64, modes=(16,), identity=0.9, key=jax.random.key(0)
    )
    models = {
        "FNO": fno,
        "BOON-FNO, Dirichlet": BoundaryCorrectedFNO(fno, DirichletEnds()),
        "BOON-FNO, Neumann": BoundaryCorrectedFNO(fno, NeumannEnds(1.0)),
        "BOON-FNO, Dirichlet, without elimination": BoundaryCorrectedFNO(
            fno, DirichletEnds(), eliminate=False
        ),
    }
    calls = [gradient(model, nodes, batch) for model in models.values()]
    seconds = alternated(calls, repeats=21)
    for name, taken in zip(models, seconds, strict=True):
        print(f"{name:42s} {1e3 * taken:8.1f} ms   {taken / seconds[0]:.2f} over FNO")


if __name__ == "__main__":
    main()
