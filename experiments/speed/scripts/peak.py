"""The most memory that a process holds."""

import ctypes
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Counted from now on, of the process alone (Linux; elsewhere unknown).

    Attributes:
        before: megabytes held now, without what is free and only waits to be used again.
    """

    def __init__(self):
        if RESET.exists():
            # Only glibc keeps what is free, and can give it back.
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
            if trim is not None:
                trim(0)
            RESET.write_text("5")
        self.before = _megabytes("VmRSS")

    def megabytes(self) -> float:
        """The most that was resident, NaN where it is unknown."""
        return _megabytes("VmHWM")


def _megabytes(name: str) -> float:
    if not STATUS.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024 / 1e6
