"""A lock: one holder, none after a kill, no file left behind."""

import signal
import subprocess
import sys

import pytest

from solvers import _lock
from solvers._lock import alone

SCRIPT = f"""
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("lock", {_lock.__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.alone(pathlib.Path(sys.argv[1]), who="another", path="it"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_holder_at_a_time(tmp_path):
    lock = tmp_path / ".lock"
    with alone(lock, who="fit", path="runs"):
        sentence = (
            r"^fit expected runs for itself, got one that another process .*; wait for its end"
        )
        with pytest.raises(BlockingIOError, match=sentence), alone(lock, who="fit", path="runs"):
            pass
    with alone(lock, who="fit", path="runs"):
        assert lock.exists()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    lock = tmp_path / ".lock"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, lock], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), alone(lock, who="fit", path=tmp_path):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with alone(lock, who="fit", path=tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_nothing_is(tmp_path, monkeypatch):
    def take(lock):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(_lock, "_take", take)
    with alone(tmp_path / ".lock", who="fit", path=tmp_path):
        pass
    assert not list(tmp_path.iterdir())
