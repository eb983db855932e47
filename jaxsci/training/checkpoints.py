"""A folder of checkpoints, one subfolder a step, of which the newest few are kept.

A step folder appears by an atomic rename when it is complete, and leaves by a rename before it is
deleted, so that whatever carries a step's number is whole, whenever the process was killed.
"""

import shutil
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from jaxsci.training.store import DELETED, UNFINISHED, read_tree, write_tree


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; created if missing, and left-overs of a killed process are removed.
        keep: how many of the newest to keep.
    """

    def __init__(self, folder: str | Path, *, keep: int = 3):
        if keep < 1:
            raise ValueError(f"Checkpoints expected keep >= 1, got {keep}; keep at least one.")
        self.folder = Path(folder).resolve()
        self.keep = keep
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in self.folder.iterdir():
            if _is_step(entry.stem) and entry.suffix in (DELETED, UNFINISHED):
                shutil.rmtree(entry)

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first."""
        return sorted(int(entry.name) for entry in self.folder.iterdir() if _is_step(entry.name))

    def path(self, step: int) -> Path:
        """Folder of the checkpoint of `step`."""
        return self.folder / str(step)

    def save(self, step: int, tree: PyTree, record: dict[str, Any]) -> None:
        """Write the checkpoint of `step`, then drop the oldest beyond `keep`."""
        write_tree(self.path(step), tree, record)
        for old in self.steps()[: -self.keep]:
            doomed = self.folder / f"{old}{DELETED}"
            self.path(old).rename(doomed)
            shutil.rmtree(doomed)

    def restore(self, step: int, like: PyTree) -> tuple[PyTree, dict[str, Any]]:
        """Read the checkpoint of `step` into the structure of `like`.

        Raises:
            CheckpointError: if it is damaged or belongs to another model. An older checkpoint is
                never taken instead without being asked for.
        """
        older = [other for other in self.steps() if other < step]
        then = f"resume from step {older[-1]}" if older else "start from the beginning"
        return read_tree(
            self.path(step), like, remedy=f"delete the folder {self.path(step)} to {then}"
        )


def _is_step(name: str) -> bool:
    """Whether a folder is called as `Checkpoints` calls it: not "007", not "²", which is a digit too."""
    return name.isascii() and name.isdecimal() and name == str(int(name))
