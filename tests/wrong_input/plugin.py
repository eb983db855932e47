"""Pytest plugin that calls every public name with wrong arguments and judges what comes of it.

Each public function, constructor and method is wrapped; when a test calls one for the first time, the
call is first made with one argument after another replaced by what `mutations` gives. The outcomes:

- *sentence*: an error of ours, raised on purpose, that says what was expected;
- *python*: Python's own word on a call that does not fit the signature;
- *obscure*: any other error, such as one from inside JAX, or an `AttributeError` of ours;
- *shown*: a result in which NaN or infinity can be seen;
- *silent*: a result that looks like any other;
- *hang*: no answer within the time limit.

`make wrong-input` runs it over the quick tests. It fails where an obscure error or a hang is left, or
a silent answer that `judged` gives no reason for.
"""

import functools
import importlib
import inspect
import json
import os
import pkgutil
import signal
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path
from types import FunctionType
from typing import Any

import equinox as eqx
import jax
import numpy as np

from solvers import _arguments

from .judged import reason
from .mutations import NO_ARGUMENTS, OF_SEVERAL, is_array, mutations

_TESTS = str(Path(__file__).parents[1])
_ROOT = Path(__file__).parents[2]
_OURS = tuple(str(_ROOT / package) + os.sep for package in ("jaxsci", "solvers"))
_SECONDS = 20.0
# The words by which a sentence of ours is told: what was expected, or what was not found.
_OWN_WORDS = (
    "expected",
    "expects",
    "needs",
    "no such",
    "does not",
    "cannot",
    "unknown",
    "found no",
)


class _HangError(BaseException):
    """The time limit of a call is over."""


class WrongInput:
    """The state of a sweep: what was called, and what came of it."""

    def __init__(self, report: Path | None):
        self.report = report
        self.rows: list[dict[str, str]] = []
        self.seen: set[tuple[str, str]] = set()
        self.busy = False

    def watch(self) -> None:
        """Wrap every public name of every public package."""
        for package in _packages():
            for name, value in list(vars(package).items()):
                if name.startswith("_") or not getattr(value, "__module__", "").startswith(
                    ("jaxsci", "solvers")
                ):
                    continue
                title = f"{package.__name__}.{name}"
                if inspect.isclass(value):
                    self._watch_class(title, value)
                elif isinstance(value, FunctionType) and not hasattr(value, "_watched"):
                    watched = self._watched(title, value)
                    for module in _packages():
                        if vars(module).get(name) is value:
                            setattr(module, name, watched)

    def _watch_class(self, title: str, cls: type) -> None:
        if issubclass(cls, BaseException) or "_watched" in vars(cls):
            return
        for name in dir(cls):
            method = inspect.getattr_static(cls, name)
            method = getattr(method, "method", method)  # Equinox' own descriptor
            own = isinstance(method, FunctionType) and _is_ours(method.__code__.co_filename)
            if name == "__init__" or (own and (name == "__call__" or not name.startswith("_"))):
                if not isinstance(method, FunctionType):
                    continue
                shown = title if name == "__init__" else f"{title}.{name}"
                try:
                    type.__setattr__(cls, name, self._watched(shown, method, bound=True))
                except (AttributeError, TypeError):
                    continue
        type.__setattr__(cls, "_watched", True)

    def _watched(self, title: str, function: FunctionType, bound: bool = False):
        @functools.wraps(function)
        def call(*args, **kwargs):
            caller = sys._getframe(1).f_code.co_filename
            if not self.busy and caller.startswith(_TESTS) and not _traced((args, kwargs)):
                self.busy = True
                try:
                    self._sweep(title, function, args, kwargs, bound)
                finally:
                    self.busy = False
            return function(*args, **kwargs)

        call._watched = True
        return call

    def _sweep(self, title, function, args, kwargs, bound):
        try:
            signature = inspect.signature(function, eval_str=False)
            given = signature.bind(*args, **kwargs)
        except (TypeError, ValueError):
            return  # the test itself makes a wrong call
        names = list(given.arguments)[1 if bound else 0 :]
        for name in names:
            parameter = signature.parameters[name]
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if (title, name) in self.seen:
                continue
            self.seen.add((title, name))
            lonely = sum(is_array(value) for value in given.arguments.values()) < 2
            for mutation, wrong in mutations(given.arguments[name], parameter):
                if lonely and mutation in OF_SEVERAL:
                    continue
                changed = inspect.BoundArguments(signature, given.arguments | {name: wrong})
                positional, keywords = changed.args, changed.kwargs
                if bound and function.__name__ == "__init__":
                    # A frozen module is set once: a fresh one for each attempt.
                    cls = type(args[0])
                    attempt = functools.partial(cls, *positional[1:], **keywords)
                else:
                    attempt = functools.partial(function, *positional, **keywords)
                outcome, message = _outcome(attempt)
                self._note(title, name, mutation, outcome, message)

    def _note(self, title, name, mutation, outcome, message):
        if outcome == "silent" and (why := reason(title, name, mutation)):
            outcome, message = "judged", why
        row = {"call": title, "argument": name, "mutation": mutation}
        self.rows.append(row | {"outcome": outcome, "message": message[:400]})
        if self.report:
            with self.report.open("a") as file:
                file.write(json.dumps(self.rows[-1]) + "\n")

    def counts(self) -> Counter:
        """Calls by outcome."""
        return Counter(row["outcome"] for row in self.rows)


def _packages():
    for top in ("jaxsci", "solvers"):
        root = importlib.import_module(top)
        yield root
        for info in pkgutil.walk_packages(root.__path__, f"{top}."):
            if info.ispkg and "._" not in info.name:
                yield importlib.import_module(info.name)


def _outcome(attempt) -> tuple[str, str]:
    def late(*_):
        raise _HangError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning is an error to pytest, not to users
            result = attempt()
        if isinstance(result, jax.Array):
            jax.block_until_ready(result)
    except _HangError:
        return "hang", f"no answer in {_SECONDS:g} s"
    except Exception as error:
        return _kind_of(error), f"{type(error).__name__}: {error}"
    except SystemExit as error:
        return "sentence", str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return ("shown" if _shows(result) else "silent"), repr(type(result))


def _kind_of(error: Exception) -> str:
    text = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    named = type(error).__module__.startswith(("jaxsci", "solvers"))
    if named or (any(word in text.lower() for word in _OWN_WORDS) and _raised_by_us(error)):
        return "sentence"
    last = frames[-1].filename if frames else ""
    if _raised_by_a_test(frames):
        return "python"
    # The signature of ours, or of the function of the wrong number of arguments that we called.
    if isinstance(error, TypeError) and (
        last in (__file__, _arguments.__file__) or NO_ARGUMENTS in text
    ):
        return "python"
    return "obscure"


def _raised_by_us(error: Exception) -> bool:
    """Whether the error was raised by a line of ours, at run time of a compiled program too."""
    if isinstance(error, eqx.EquinoxRuntimeError) or "EquinoxRuntimeError" in str(error):
        return True
    return _arguments.on_purpose(error.__traceback__) and not isinstance(error, AssertionError)


def _raised_by_a_test(frames) -> bool:
    """Whether it is a function of the test, called by ours, that fails."""
    files = [frame.filename for frame in frames if frame.filename != __file__]
    known = [file for file in files if _is_ours(file) or file.startswith(_TESTS)]
    return any(map(_is_ours, known)) and not _is_ours(known[-1])


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _traced(tree: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def _shows(result: Any) -> bool:
    """Whether NaN or infinity can be seen in the result."""
    for leaf in jax.tree.leaves(result):
        if isinstance(leaf, jax.Array | np.ndarray | float | np.floating):
            if _is_key(leaf):
                continue
            array = np.asarray(leaf)
            if array.dtype.kind in "fcV" and not np.isfinite(array.astype(complex)).all():
                return True
    return False


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


_sweep: WrongInput | None = None


def pytest_configure(config):
    """Wrap the public names before any test imports them."""
    global _sweep
    report = os.environ.get("WRONG_INPUT_REPORT")
    _sweep = WrongInput(Path(report) if report else None)
    _sweep.watch()


def pytest_terminal_summary(terminalreporter):
    """Print the calls by outcome, and what is left to mend."""
    write = terminalreporter.write_line
    write(f"wrong input: {sum(_sweep.counts().values())} calls, {dict(_sweep.counts())}")
    for row in _sweep.rows:
        if row["outcome"] in ("obscure", "hang", "silent"):
            where = f"{row['call']}({row['argument']}={row['mutation']})"
            write(f"  {row['outcome']}: {where}: {row['message'].splitlines()[0][:160]}")


def pytest_sessionfinish(session):
    """Fail where anything is left to mend; whether the tests pass is not asked here."""
    counts = _sweep.counts()
    left = counts["obscure"] + counts["hang"] + counts["silent"]
    session.exitstatus = 1 if left or not counts else 0
