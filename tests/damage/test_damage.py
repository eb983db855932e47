"""Every file that the product writes, damaged: the outcome is named in our words, or the same.

A file is cut in half, emptied, deleted, or one of its bits is flipped. What reads it then must fail with a
sentence of the library that names a remedy, warn with one, or give what it gave before. Any other error is raw,
any other result silent; there must be none of either.
"""

import re
import shutil
import traceback
import warnings
from collections import Counter
from pathlib import Path

import pytest

import jaxsci
import solvers

from .products import PRODUCTS

OURS = tuple(str(Path(package.__file__).parent) for package in (jaxsci, solvers))


def damages(content, flips):
    """Ways to damage a file: a name and the new content, None where it is deleted."""
    yield "delete", None
    if content:
        yield "empty", b""
        yield "truncate", content[: len(content) // 2]
    count = min(flips, len(content))
    for number in range(count):
        # Spread over the file, in another bit each time.
        at = (2 * number + 1) * len(content) // (2 * count)
        changed = content[at] ^ (1 << (3 * number % 8))
        yield f"flip {at}", content[:at] + bytes([changed]) + content[at + 1 :]


def outcome(use, folder, expected):
    """Whether a damaged folder is "named", "healed", "raw" or "silent", and why."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = use(folder)
        except (ValueError, OSError) as error:
            raised = traceback.extract_tb(error.__traceback__)[-1].filename.startswith(OURS)
            sentence = re.search(r"[Ee]xpected .*; .+\.$", str(error), re.DOTALL)
            return "named" if raised and sentence else "raw", repr(error)
        except Exception as error:  # what a user must never see
            return "raw", repr(error)
    said = [str(w.message) for w in caught if " expected " in str(w.message)]
    if found == expected:
        return "healed", said
    return ("named" if said else "silent"), said


def sweep(name, tmp_path, flips):
    """Count the outcomes of all damages of one product, and list those that are wrong."""
    make, use = PRODUCTS[name]
    made = tmp_path / "made"
    make(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = use(copy(made, tmp_path))
    counts, wrong = Counter(), []
    files = sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file())
    for file in files:
        for kind, content in damages((made / file).read_bytes(), flips):
            folder = copy(made, tmp_path)
            if content is None:
                (folder / file).unlink()
            else:
                (folder / file).write_bytes(content)
            word, why = outcome(use, folder, expected)
            counts[word] += 1
            if word in ("raw", "silent"):
                wrong.append(f"{file}, {kind}: {word}: {why}")
    print(f"{name}: {len(files)} files, {dict(counts)}")
    return wrong


def copy(made, tmp_path):
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


@pytest.mark.parametrize("name", PRODUCTS)
def test_damage_is_named_or_changes_nothing(name, tmp_path):
    assert sweep(name, tmp_path, flips=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PRODUCTS)
def test_every_kind_of_damage_is_named_or_changes_nothing(name, tmp_path):
    assert sweep(name, tmp_path, flips=24) == []
