"""Peers in an environment of their own: a process each, which waits while another is timed."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from jaxsci.experiment import ExperimentError

SCRIPTS = Path(__file__).parent / "scripts"
PEERS = {
    "astronomix, float32": ("astronomix_euler.py", ()),
    "astronomix, float64": ("astronomix_euler.py", ("--double",)),
    "pyro (numba), float64": ("pyro_euler.py", ()),
}
"""The script of each, and its options. All have 2-D Euler, limited slopes, HLLC and two stages."""


class Peer:
    """A peer that has compiled and waits to be timed.

    Args:
        name: a key of `PEERS`.
        python: interpreter that has it installed.
        cells: cells an axis.
        steps: steps a call.

    Raises:
        ExperimentError: when it does not start.
    """

    def __init__(self, name: str, python: str, cells: int, steps: int):
        script, options = PEERS[name]
        self.name, self.steps = name, steps
        self._folder = tempfile.TemporaryDirectory()  # some write what they were asked for
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        try:
            self._process = subprocess.Popen(
                [
                    str(Path(python).absolute()),
                    str(SCRIPTS / script),
                    str(cells),
                    str(steps),
                    *options,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
                cwd=self._folder.name,
            )
        except OSError as error:
            raise ExperimentError(
                f"solver-speed expected an interpreter with the peers at {python}, got {error}; run "
                "`make peers`, or leave them out with --peers ''."
            ) from error
        self.first = self._answer("first")

    def seconds(self) -> float:
        """Wall time of a step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer("seconds") / self.steps

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def _answer(self, key: str) -> float:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("peer "):
                return json.loads(line.removeprefix("peer "))[key]
        raise ExperimentError(
            f"solver-speed expected an answer of {self.name}, got none and the status "
            f"{self._process.wait()}; run its script in {SCRIPTS} by hand."
        )
