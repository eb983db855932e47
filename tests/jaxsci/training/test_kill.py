"""A run killed by signal 9 at a random step and started again equals one left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

SCRIPT = Path(__file__).with_name("killed_run.py")
STEPS = 240


def _start(folder):
    folder.mkdir(exist_ok=True)
    with (folder / "stderr.txt").open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, SCRIPT, folder],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def _finish(process, folder):
    process.wait(timeout=120)
    assert process.returncode == 0, (folder / "stderr.txt").read_text()


def _kill_at(step, process, folder):
    """Kill the process once its metrics file shows `step`; return the newest checkpoint's step."""
    path, deadline = folder / "metrics.jsonl", time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < step:
        assert process.poll() is None, (folder / "stderr.txt").read_text()
        assert time.monotonic() < deadline, f"step {step} was not reached in two minutes"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    saved = [int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdigit()]
    return max(saved, default=0)


def _lines(folder):
    text = (folder / "metrics.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in record.items() if k != "wall_time"} for record in records]


def _state(folder):
    with ocp.StandardCheckpointer() as checkpointer:
        restored = checkpointer.restore(folder / "state" / "arrays")
    return jax.tree.map(np.asarray, restored)


def test_killed_and_resumed_equals_left_alone(tmp_path):
    alone, cut = tmp_path / "alone", tmp_path / "cut"
    step = random.SystemRandom().randint(25, 200)
    left_alone, killed = _start(alone), _start(cut)
    try:
        saved = _kill_at(step, killed, cut)
        assert saved < STEPS, f"the run to be killed at step {step} had already finished"
        resumed = _start(cut)
        _finish(resumed, cut)
        _finish(left_alone, alone)
    finally:
        for process in (left_alone, killed):
            process.kill()
    first, second = _state(alone), _state(cut)
    assert first.keys() == second.keys()
    assert len(first) > 10  # parameters, their average, Adam's moments and the counters
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=f"killed at step {step}")
    assert _lines(alone) == _lines(cut)
    resumed_from = (cut / "stderr.txt").read_text()
    assert f"step {saved + 1}/{STEPS}" in resumed_from  # it did not simply start over
