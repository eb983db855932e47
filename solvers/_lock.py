"""One process in a folder at a time.

The lock is the operating system's, on a file of its own: it ends with the process, however that ends,
so nothing has to be cleaned up after a kill. The file is removed by who held it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that another process has open cannot be removed
    fcntl = None

# Nothing can be written there either, or the file system knows no locks.
_WITHOUT = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def alone(lock: Path, *, who: str, path: str | Path) -> Iterator[None]:
    """Hold `path` against other processes and threads.

    Args:
        lock: the file to lock, in a folder that exists.
        who: the function, for the message.
        path: what is to be written, for the message.

    Raises:
        BlockingIOError: where another one holds it.
    """
    try:
        held = _take(lock)
    except BlockingIOError as error:
        raise BlockingIOError(
            f"{who} expected {path} for itself, got one that another process or thread is writing; wait for "
            "its end, or choose another path."
        ) from error
    except OSError as error:
        if error.errno not in _WITHOUT:
            raise
        held = None
    try:
        yield
    finally:
        if held is not None:
            _release(lock, held)


def _take(lock: Path) -> int:
    """The open, locked file."""
    if fcntl is None:
        try:
            lock.unlink(missing_ok=True)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
        return os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    while True:
        held = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have removed the name since it was opened.
            if lock.exists() and os.path.samestat(os.fstat(held), lock.stat()):
                return held
        except BaseException:
            os.close(held)
            raise
        os.close(held)


def _release(lock: Path, held: int) -> None:
    # The name goes while the lock is held, so that nobody takes a file that is about to go; Windows cannot.
    if fcntl is not None:
        lock.unlink(missing_ok=True)
    os.close(held)
    if fcntl is None:
        lock.unlink(missing_ok=True)
