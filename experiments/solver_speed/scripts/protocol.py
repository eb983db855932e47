"""How a peer talks: it prepares, says so, and is timed once for each line that it reads.

A line of JSON with the seconds of the first call (compilation included) comes first, then one with the
seconds of a call for each line on standard input. So peers wait while another is timed.
"""

import json
import sys
import time
from collections.abc import Callable


def serve(call: Callable[[], object]) -> None:
    """Answer until standard input ends."""
    start = time.perf_counter()
    call()
    _say(first=time.perf_counter() - start)
    for _ in sys.stdin:
        start = time.perf_counter()
        call()
        _say(seconds=time.perf_counter() - start)


def _say(**answer: float) -> None:
    print("peer " + json.dumps(answer), flush=True)
