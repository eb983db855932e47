"""The most memory that a process holds."""

from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Counted from now on, of the process alone (Linux; elsewhere unknown)."""

    def __init__(self):
        if RESET.exists():
            RESET.write_text("5")

    def megabytes(self) -> float:
        """The most that was resident, NaN where it is unknown."""
        if not STATUS.exists():
            return float("nan")
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
