"""Files that an experiment needs and that the project does not ship."""

from collections.abc import Sequence
from pathlib import Path

from jaxsci.experiment.errors import ExperimentError


def require_files(
    what: str, root: str, names: Sequence[str], *, source: str, layout: str = ""
) -> None:
    """Refuse a folder that lacks some of the user's files.

    Args:
        what: name of the data set.
        root: the folder, as the user wrote it; ``~`` is their own.
        names: paths of files or folders in it.
        source: where they are fetched.
        layout: how they lie in the folder, in words.

    Raises:
        ExperimentError: the missing names, where to fetch them and how to name the folder.
    """
    missing = [name for name in names if not (Path(root).expanduser() / name).exists()]
    if missing:
        raise ExperimentError(
            f"Expected the files of {what} in the folder {root}{', ' if layout else ''}{layout}, got none "
            f"named {', '.join(missing)}; fetch them from {source}, which this project does not ship, and "
            "name their folder with --data.root PATH, or make's DATA=PATH."
        )
