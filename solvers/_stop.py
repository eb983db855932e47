"""Ctrl-C and SIGTERM as something that a long loop asks about, in whichever thread it runs.

Python runs the handler of a signal in its main thread, between two of its instructions. An exception
raised there never reaches a loop in another thread, and may lose a state that is half replaced. Within
`stoppable` a signal is noted for all threads, and the main thread leaves what it is at, unless that is a
loop within `asking`, which looks for itself where it can be left whole, keeps what it has and leaves. A
second signal leaves at once.

Handlers of the user's own, and signals that are ignored, stay as they are.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn

_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

# Of nested loops the outermost asks: it knows how to go on.
_asks: ContextVar[bool] = ContextVar("asks", default=False)
# Set while a `stoppable` of the main thread is open, as its handlers are.
_open: "Stop | None" = None


class Terminated(SystemExit):
    """What SIGTERM raises, as Ctrl-C raises `KeyboardInterrupt`; the process exits with 143."""

    def __init__(self, sentence: str):
        super().__init__(sentence)
        self.code = 128 + signal.SIGTERM


class Stop:
    """Whether a signal has asked to stop.

    Attributes:
        signal: the first one that did, or None.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None

    @property
    def status(self) -> int:
        """What a process that was stopped so exits with: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def leave(self, sentence: str) -> NoReturn:
        """Raise what the signal stands for, with a sentence on what was kept and how to go on.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            Terminated: after SIGTERM.
        """
        raise (Terminated if self.signal == signal.SIGTERM else KeyboardInterrupt)(sentence)

    def _note(self, number: int, frame: object) -> None:
        del frame
        first, self.signal = self.signal is None, self.signal or signal.Signals(number)
        if not (first and _asks.get()):
            self.leave("interrupted")


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Note signals for the loops of all threads; in another thread than the main one, share in its `Stop`.

    A process that ends by SIGTERM says the sentence of who left, as Python does after Ctrl-C.
    """
    global _open
    if _open is not None or threading.current_thread() is not threading.main_thread():
        yield _open or Stop()
        return
    stop = Stop()
    ours = [number for number, usual in _DEFAULTS.items() if signal.getsignal(number) == usual]
    try:
        _open = stop
        for number in ours:
            signal.signal(number, stop._note)
        yield stop
    except Terminated as left:
        print(left, file=sys.stderr)
        raise
    finally:
        for number in ours:
            signal.signal(number, _DEFAULTS[number])
        _open = None


@contextmanager
def asking() -> Iterator[Stop]:
    """A loop that looks at `Stop.signal` where it can be left; in one within another, it stays None.

    Raises:
        KeyboardInterrupt: at the end, where Ctrl-C came too late for the loop to see it.
        Terminated: the same after SIGTERM.
    """
    if _asks.get():
        yield Stop()
        return
    with stoppable() as stop:
        outer = _asks.set(True)
        try:
            yield stop
        finally:
            _asks.reset(outer)
        if stop.signal is not None:
            stop.leave("interrupted")
