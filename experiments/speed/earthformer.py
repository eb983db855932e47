"""What chunks of cuboids save, and how fast Earthformer trains beside the authors' code.

    python -m experiments.speed.earthformer [--peers PYTHON]

prints the time of value and gradient of one axial stack on films of 10 x 32 x 32 tokens with 64 channels,
worked on as a whole and in chunks, with the memory for temporaries; then a training step (dropout, clipping,
AdamW) of the model released for N-body MNIST, and with an interpreter that has it the authors' own. Medians
over alternated turns of a few calls. Memory is the most that a process holds, and how much of it a step takes:
without what was there before, such as the runtime, the weights and, of ours, the compiler's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from experiments.earthformer.training import loss_fn
from experiments.speed.operations import multiplications
from experiments.speed.timing import alternated, median_seconds
from jaxsci.nn import CuboidStack, self_pattern
from jaxsci.operators import Earthformer
from jaxsci.training import OptimizerConfig, init_state, make_train_step

SHAPE = (10, 32, 32)
WIDTH = 64
IN_A_TURN = 4
# Films of a batch one after the other, gradients added up.
SINGLY = ", one film after the other"
SCRIPT = Path(__file__).parent / "scripts" / "earthformer_original.py"


def stack(batch: int, chunk: int | None):
    """A compiled value and gradient of one axial stack, and its bytes for temporaries."""
    layers = CuboidStack(
        WIDTH,
        heads=4,
        pattern=self_pattern("axial", SHAPE),
        chunk=chunk,
        key=jax.random.key(0),
    )
    arrays, rest = eqx.partition(layers, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (batch, *SHAPE, WIDTH))

    def loss(arrays, x):
        return jnp.mean(jax.vmap(lambda film: eqx.combine(arrays, rest)(film)[0])(x) ** 2)

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(arrays, x).compile()
    memory = compiled.memory_analysis()
    return lambda: compiled(arrays, x), memory.temp_size_in_bytes if memory else 0


def training_step(batch: int, *, micro_batches: int = 1):
    """Training steps of the model released for N-body MNIST, one a call."""
    model = Earthformer.preset("nbody", key=jax.random.key(0))
    optimizer = OptimizerConfig(schedule="constant", weight_decay=1e-5).build(1)
    step = make_train_step(loss_fn, optimizer, micro_batches=micro_batches)
    step = jax.jit(step, donate_argnums=0)
    state = init_state(model, optimizer)
    films = jax.random.uniform(jax.random.key(1), (2, batch, *model.shape_in))
    data = {"input": films[0], "target": films[1]}

    def call():
        nonlocal state
        state, metrics = step(state, data, jax.random.key(2))
        return metrics

    return call


def operations() -> int:
    """Those of a forecast of ours: its multiplications, which are what the paper counts, and their additions.

    On a CPU they are fewer than the authors' by some percent, as repeated points are not multiplied again.
    """
    model = eqx.filter_eval_shape(lambda: Earthformer.preset("nbody", key=jax.random.key(0)))
    arrays, rest = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    film = jax.ShapeDtypeStruct(model.shape_in, jnp.float32)
    return 2 * multiplications(
        jax.make_jaxpr(lambda arrays, x: eqx.combine(arrays, rest)(x))(arrays, film)
    )


class Worker:
    """A process that takes one training step whenever it is told to; memory is that of a process."""

    def __init__(self, *command: str):
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._line() != "ready":
            sys.exit(f"{' '.join(command)} did not start")

    def turn(self) -> tuple[float, float, float]:
        """Median seconds of some steps in a row, megabytes held before them, and the most so far."""
        # The first one finds nothing in the cache, and after a long wait not even in memory.
        _, *steps = [self._step() for _ in range(IN_A_TURN)]
        return float(np.median([s[0] for s in steps])), steps[-1][1], steps[-1][2]

    def _step(self) -> list[float]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._line().split()
        if len(answer) != 3:
            sys.exit(f"{' '.join(self._command)} ended before its step did")
        return [float(number) for number in answer]

    def close(self) -> None:
        """No more steps."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def beside(batch: int, peers: str, repeats: int) -> None:
    """Print seconds a step and memory of ours and, with an interpreter that has it, of the authors' model."""
    ours = (sys.executable, "-m", "experiments.speed.scripts.earthformer_ours", str(batch))
    workers = {"ours": Worker(*ours, "1")}
    theirs = (peers, str(SCRIPT), str(batch))
    if peers:
        workers["theirs"] = Worker(*theirs, "1", str(os.cpu_count()))
    if batch > 1:
        workers[f"ours{SINGLY}"] = Worker(*ours, str(batch))
        if peers:
            workers[f"theirs{SINGLY}"] = Worker(*theirs, str(batch), str(os.cpu_count()))
    turns = [[worker.turn() for worker in workers.values()] for _ in range(repeats)]
    for worker in workers.values():
        worker.close()
    seconds = np.median([[time for time, _, _ in turn] for turn in turns], axis=0)
    most = [megabytes for _, _, megabytes in turns[-1]]
    taken = [megabytes - before for _, before, megabytes in turns[-1]]
    measured = dict(zip(workers, zip(seconds, most, taken, strict=True), strict=True))
    forward = operations()
    for name, (time, process, step) in measured.items():
        # A training step takes the operations of three forecasts.
        rate = 3 * batch * forward / time / 1e9
        peer = f"theirs{SINGLY if name.endswith(SINGLY) else ''}"
        against = ""
        if peer in measured and peer != name:
            slower, *shares = np.divide(measured[name], measured[peer])
            memory = " and ".join(f"{share:.2f}" for share in shares)
            against = f"; {1 / slower:.2f} times as fast as {peer} with {memory} of the memory"
        print(
            f"N-body model, batch {batch}, {name}: {time:.2f} s a step, {1 / time:.3f} steps/s, "
            f"{rate:.0f} GFLOP/s, {process:.0f} MB, {step:.0f} MB by a step{against}",
            flush=True,
        )


def peak_rate() -> float:
    """Operations a second of a large matrix product, as what the machine can do at most."""
    a = jnp.ones((2048, 2048))
    return 2 * 2048**3 / median_seconds(jax.jit(jnp.matmul), a, a)


def main(batches: tuple[int, ...] = (1, 4), repeats: int = 5, peers: str = "") -> None:
    """The stack at each batch size, then the training step.

    Args:
        batches: films a step.
        repeats: measurements of each.
        peers: interpreter that has torch, einops and the authors' package `earthformer`; "" for our side alone.
    """
    if peers and not shutil.which(peers):
        sys.exit(f"Expected an interpreter at {peers}, got none; correct --peers, or leave it out.")
    for batch in batches:
        cases = {"whole": stack(batch, 10**9), "chunks": stack(batch, None)}
        seconds = alternated([call for call, _ in cases.values()], repeats=repeats)
        for (name, (_, memory)), taken in zip(cases.items(), seconds, strict=True):
            print(
                f"axial stack, batch {batch}, {name:6s} {1e3 * taken:8.0f} ms {memory / 1e6:8.0f} MB",
                flush=True,
            )
    print(f"a matrix product of 2048 x 2048: {peak_rate() / 1e9:.0f} GFLOP/s", flush=True)
    for batch in batches:
        beside(batch, peers, repeats)


if __name__ == "__main__":
    tyro.cli(main)
