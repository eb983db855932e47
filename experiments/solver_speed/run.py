"""How fast are the solvers? Beside their peers, against the copy bandwidth, and in reverse mode.

All cases and peers compile first; then each is timed once a round, in turns, on the cores that this process
may use. The median of the rounds counts.
"""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from experiments.solver_speed import cases
from experiments.solver_speed.config import PRESETS, SolverSpeedConfig
from experiments.solver_speed.peers import PEERS, Peer
from jaxsci.experiment import Experiment, Rows


def run_seed(config: SolverSpeedConfig, seed: int, out: Path) -> Rows:
    """Time everything; the seed does nothing."""
    del seed, out
    with jax.enable_x64(True), contextlib.ExitStack() as stack:
        ours = [*cases.euler(config), *cases.scalars(config), *cases.gradients(config)]
        for case in ours:
            case.compiled  # noqa: B018
        peers = []
        for name in PEERS if config.peers else ():
            # The numba peer needs seconds for what takes us milliseconds.
            steps = 2 if "numba" in name else config.steps
            peers.append(Peer(name, config.peers, config.small, steps))
            stack.callback(peers[-1].close)
        copy = _copy(config.scalar)
        timed: dict[str, Callable[[], float]] = {"copy": copy}
        timed |= {case.name: case.seconds for case in ours}
        timed |= {peer.name: peer.seconds for peer in peers}
        seconds = {name: [] for name in timed}
        for call in timed.values():
            call()  # pages, caches, threads
        for _ in range(config.rounds):
            for name, call in timed.items():
                seconds[name].append(call())
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return _rows(config, ours, peers, medians)


def _rows(
    config: SolverSpeedConfig, ours: list[cases.Case], peers: list[Peer], medians: dict[str, float]
) -> Rows:
    rows: dict[str, dict[str, float]] = {}
    bandwidth = 2 * 4 * config.scalar**2 / medians["copy"]
    rows["copy of an array, two threads or more"] = {"GB/s": bandwidth / 1e9}
    for case in ours:
        rate = case.cells / medians[case.name]
        _, compiling, temporary = case.compiled
        row = {
            "ms a step": 1e3 * medians[case.name],
            "Mcells/s": rate / 1e6,
            "compile s": compiling,
            "temporary bytes a cell": temporary,
        }
        if str(config.scalar) in case.name and case.initial.shape[0] == 1:
            row["share of copy"] = 4 * cases.ARRAYS_A_STEP * rate / bandwidth
        rows[case.name] = row
    for peer in peers:
        rate = config.small**2 / medians[peer.name]
        rows[f"{peer.name}, {config.small}²"] = {
            "ms a step": 1e3 * medians[peer.name],
            "Mcells/s": rate / 1e6,
            "compile s": peer.first,
        }
    if len(config.gradient_steps) > 1:
        few, many = config.gradient_steps[0], config.gradient_steps[-1]
        memory = [
            rows[cases.gradient_name(config.gradient, n)]["temporary bytes a cell"]
            for n in (few, many)
        ]
        exponent = float(np.log(memory[1] / memory[0]) / np.log(many / few))
        rows["memory of the gradient"] = {"exponent of the steps": exponent}
    return rows


def _copy(n: int) -> Callable[[], float]:
    """Seconds to copy n by n single-precision numbers with all cores, from buffers that exist."""
    source, target = np.ones(n * n, np.float32), np.zeros(n * n, np.float32)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bounds = np.linspace(0, n * n, (threads or 1) + 1, dtype=int)

    def seconds() -> float:
        workers = [
            threading.Thread(target=np.copyto, args=(target[a:b], source[a:b]))
            for a, b in itertools.pairwise(bounds)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - start

    return seconds


EXPERIMENT = Experiment(
    name="solver-speed",
    claim="The solvers are faster than their peers; what large grids and gradients cost.",
    directory=Path(__file__).parent,
    presets=PRESETS,
    run_seed=run_seed,
    baseline="copy of an array, two threads or more",
)
