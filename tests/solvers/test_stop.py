"""Signals: noted for loops of all threads, handlers put back, no state left behind."""
# ruff: noqa: PT012  (signals are sent within the block that they leave)

import os
import signal
import subprocess
import sys
import threading

import pytest

from solvers import _stop
from solvers._stop import Terminated, asking, stoppable

KINDS = [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, Terminated, 143)]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    before = [signal.getsignal(number) for number, *_ in KINDS]
    yield
    assert [signal.getsignal(number) for number, *_ in KINDS] == before
    assert _stop._open is None
    assert not _stop._asks.get()


def _send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "kind", "status"), KINDS)
def test_the_main_thread_leaves_at_once_unless_it_asks(number, kind, status):
    done = []
    with pytest.raises(kind, match="interrupted"), stoppable() as stop:
        _send(number)
        done.append("never")
    assert not done
    assert stop.status == status
    with pytest.raises(kind, match="after 3 of 9"), asking() as stop:
        for i in range(9):
            done.append(i)
            if i == 2:
                _send(number)
            if stop.signal is not None:
                stop.leave(f"after {len(done)} of 9")
    assert done == [0, 1, 2]


@pytest.mark.parametrize(("number", "kind", "status"), KINDS)
def test_a_second_signal_leaves_at_once_and_a_late_one_is_not_lost(number, kind, status):
    del status
    done = []
    with pytest.raises(kind), asking():
        _send(number)
        done.append(1)
        _send(number)
        done.append(2)
    assert done == [1]
    with pytest.raises(kind), asking():
        _send(number)


def test_of_nested_loops_the_outermost_asks():
    with pytest.raises(KeyboardInterrupt, match="outer"), asking() as outer:
        with asking() as inner:
            _send(signal.SIGINT)
            assert inner.signal is None
        assert outer.signal == signal.SIGINT
        outer.leave("outer")


def test_loops_of_other_threads_are_asked_to_stop():
    going, left = threading.Event(), []

    def work():
        try:
            with asking() as stop:
                going.set()
                while stop.signal is None:
                    pass
                stop.leave("from the thread")
        except KeyboardInterrupt as error:
            left.append(str(error))

    with pytest.raises(KeyboardInterrupt, match="interrupted"), stoppable():
        thread = threading.Thread(target=work)
        thread.start()
        going.wait(10)
        try:
            _send(signal.SIGINT)
        finally:
            thread.join(10)
    assert left == ["from the thread"]


def test_a_thread_alone_installs_nothing():
    found = []

    def work():
        with asking() as stop:
            found.append((signal.getsignal(signal.SIGINT), stop.signal))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert found == [(signal.getsignal(signal.SIGINT), None)]


def test_handlers_of_the_users_own_stay():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with asking() as stop:
            _send(signal.SIGTERM)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize(("number", "status"), [("SIGINT", -2), ("SIGTERM", 143)])
def test_a_script_ends_with_the_sentence_and_the_status(number, status):
    script = f"""
import importlib.util, os, signal
spec = importlib.util.spec_from_file_location("stop", {_stop.__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.asking() as stop:
    os.kill(os.getpid(), signal.{number})
    stop.leave("do it again")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    # After Ctrl-C Python ends itself by the signal, as a shell expects: 130 there.
    assert done.returncode == status
    assert done.stderr.splitlines()[-1].removeprefix("KeyboardInterrupt: ") == "do it again"
