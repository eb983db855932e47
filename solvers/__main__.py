"""``python -m solvers generate NAME PATH``: a data set of solver runs in a zarr store."""

import argparse
import sys
from collections.abc import Sequence

from ._stop import Terminated, stoppable
from .dataset import PROBLEMS, GenerationError, generate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m solvers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("generate", help="write a data set")
    command.add_argument("name", choices=sorted(PROBLEMS))
    command.add_argument("path", help="folder of the zarr store")
    command.add_argument("--count", type=int, default=1000, help="samples (1000)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--batch", type=int, default=64, help="samples a chunk (64)")
    command.add_argument("--overwrite", action="store_true", help="replace another data set")
    options = parser.parse_args(arguments)
    with stoppable() as stop:
        try:
            path = generate(
                PROBLEMS[options.name](),
                options.path,
                count=options.count,
                seed=options.seed,
                batch=options.batch,
                overwrite=options.overwrite,
            )
        except (GenerationError, ValueError, OSError) as error:
            print(f"solvers: {error}", file=sys.stderr)
            return 2
        except (KeyboardInterrupt, Terminated) as error:
            print(f"solvers: {error}", file=sys.stderr)
            return stop.status
    print(f"{options.count} samples of {options.name} in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
