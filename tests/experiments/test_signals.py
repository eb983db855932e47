"""Ctrl-C, SIGTERM and kills at random moments of experiments: a sentence, the exit status, and an equal end.

As a script, ``python tests/experiments/test_signals.py N [NAMES]``, it sends N signals to each.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

EXPERIMENTS = ("heat", "stefan", "nbody", "mq-synthetic")
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
# Metrics that are measured times, or quotients of them; rows of equal time or cost depend on such.
TIMES = ("second", "time", "over", "pace", "steps")


def _command(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxsci", *words],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(name, results):
    return _command("run", name, "--preset", "smoke", "--seeds", "0", "--results", str(results))


def _finish(process):
    err = process.communicate(timeout=500)[1]
    # 1 is a claim that small presets may fail.
    assert process.returncode in (0, 1), err
    assert "Traceback" not in err, err


def _left(results, name):
    """What a run left that does not measure time: states, metrics, rows."""
    folder = results / name / "smoke" / "0"
    states = {}
    with ocp.StandardCheckpointer() as checkpointer:
        for checkpoints in folder.rglob("checkpoints"):
            last = max(
                (p for p in checkpoints.iterdir() if p.name.isdigit()), key=lambda p: int(p.name)
            )
            arrays = jax.tree.leaves(checkpointer.restore(last / "arrays"))
            states[str(last.relative_to(folder))] = [np.asarray(x).tobytes() for x in arrays]
    metrics = {
        str(path.relative_to(folder)): [
            {k: v for k, v in json.loads(line).items() if k != "wall_time"}
            for line in path.read_text().splitlines()
        ]
        for path in folder.rglob("*.jsonl")
    }
    rows = json.loads((folder / "summary.json").read_text())["rows"]
    kept = {
        row: {m: v for m, v in values.items() if not any(word in m for word in TIMES)}
        for row, values in rows.items()
        if "equal time" not in row and "equal cost" not in row
    }
    return states, metrics, kept


def interrupt(name, whole, results, number, after):
    """Interrupt a run, check what it says, go on; what happened, in a word."""
    process = _run(name, results)
    time.sleep(after)
    process.send_signal(number)
    err = process.communicate(timeout=200)[1]
    if process.returncode in (0, 1):
        return "finished before"
    context = f"{name}, {number.name} after {after:.2f} s, status {process.returncode}:\n{err}"
    assert process.returncode == STATUS[number], context
    begun = (results / name / "smoke" / "0" / "config.json").exists()
    saved = {
        p.parent for p in results.rglob("checkpoints") if any(q.name.isdigit() for q in p.iterdir())
    }
    if number != signal.SIGKILL:  # of which nobody is told
        last = err.splitlines()[-1]
        assert last.startswith("jaxsci: interrupted; "), context
        assert ("goes on from here" in last) == begun, context
        # Every operator that has logged a step has a checkpoint too.
        logged = {p.parent for p in results.rglob("metrics.jsonl") if p.stat().st_size}
        assert logged <= saved, context
    _finish(_command("resume", str(results / name / "smoke")) if begun else _run(name, results))
    assert _left(results, name) == whole, context
    return f"stopped, {len(saved)} saved" if begun else "stopped before it began"


def _uninterrupted(name, results):
    started = time.monotonic()
    _finish(_run(name, results))
    return _left(results, name), time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_interrupted_at_a_random_moment(tmp_path, name):
    whole, seconds = _uninterrupted(name, tmp_path / "whole")
    for number in STATUS:
        after = random.SystemRandom().uniform(0.3, seconds)
        word = interrupt(name, whole, tmp_path / number.name, number, after)
        assert word.startswith(("stopped", "finished before"))


if __name__ == "__main__":
    # Jobs in the background of a shell ignore Ctrl-C, and so would those that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in sys.argv[2:] or EXPERIMENTS:
        with tempfile.TemporaryDirectory() as folder:
            whole, _ = _uninterrupted(name, Path(folder) / "whole")
            # Once more, now that a compilation cache, where there is one, is filled.
            again, seconds = _uninterrupted(name, Path(folder) / "again")
            assert again == whole
            print(f"{name}: {seconds:.0f} s", flush=True)
            for i in range(int(sys.argv[1])):
                number = list(STATUS)[i % 3]
                after = random.SystemRandom().uniform(0.3, seconds)
                try:
                    word = interrupt(name, whole, Path(folder) / str(i), number, after)
                except AssertionError as error:
                    word = f"FAILED {str(error)[-1500:]}"
                print(f"{name} {number.name} after {after:.1f} s: {word}", flush=True)
