"""``python -m jaxsci``."""

import io
import os
import signal
import sys

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _leave(number: int, frame: object) -> None:
    """End at once: nothing is there yet that could be kept."""
    del frame
    print(
        "jaxsci: interrupted; nothing had begun, so give the same command again.", file=sys.stderr
    )
    sys.stderr.flush()
    os._exit(128 + number)


if __name__ == "__main__":
    # Importing JAX takes seconds, and an exception in the midst of it may be lost.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from jaxsci.cli import main

    for number, handler in before.items():
        signal.signal(number, handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without our signs, such as ≤ in Latin-1, shows another one.
            stream.reconfigure(errors="replace")
    status = main()
    if status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        # What is to be kept is on disk; threads that an exception left may not survive Python's own end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
