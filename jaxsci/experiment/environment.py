"""On what a run ran: interpreter, packages, device, cores, commit, time."""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

# Where this library lies; its checkout, if it is one, has the commit that ran.
_SOURCE = Path(__file__).resolve().parents[1]


def environment() -> dict[str, Any]:
    """The environment of this process, in JSON's types. Starts JAX's backend."""
    import jax

    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        "packages": _packages(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": _cores(),
        "device": device.device_kind,
        "devices": jax.device_count(),
        "x64": bool(jax.config.read("jax_enable_x64")),
        "xla_flags": os.environ.get("XLA_FLAGS"),
        **commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _packages() -> dict[str, str]:
    """Versions of jaxsci, of jaxlib and of what jaxsci depends on; extras are left out."""
    declared = [line for line in metadata.requires("jaxsci") or [] if "extra ==" not in line]
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in declared]
    return {name: metadata.version(name) for name in sorted({"jaxsci", "jaxlib", *names})}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def commit() -> dict[str, Any]:
    """Commit of the checkout this library lies in, and whether files differ from it.

    Both are None where the library is installed as a package, or git is not.
    """
    # A virtual environment inside somebody's repository is not a checkout of this library.
    if _git("ls-files", "--error-unmatch", str(Path(__file__).resolve())) is None:
        return {"commit": None, "modified": None}
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": _git("rev-parse", "HEAD"), "modified": bool(status)}


def _git(*arguments: str) -> str | None:
    """What git prints, or None where it refuses or is missing: a run needs no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_SOURCE, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
