"""The environment of a run."""

import subprocess

import jax
import pytest

from jaxsci.experiment import environment as module
from jaxsci.experiment.environment import environment


def test_versions_device_and_time():
    found = environment()
    assert found["packages"]["jax"] == jax.__version__
    # Extras are for developers; a run does not depend on them.
    assert "pytest" not in found["packages"]
    assert (found["device"], found["x64"]) == ("cpu", False)
    assert found["time"].endswith("+00:00")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a file of one commit, taken for this library's."""
    file = tmp_path / "environment.py"
    file.write_text("1\n")
    monkeypatch.setattr(module, "_SOURCE", tmp_path)
    monkeypatch.setattr(module, "__file__", str(file))
    # Names and keys of whoever runs the tests play no part.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "environment.py"), ("commit", "-qm", "a")):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return file


def test_commit_and_changes(checkout):
    before = module.commit()
    assert len(before["commit"]) == 40
    assert before["modified"] is False
    checkout.write_text("2\n")
    assert module.commit() == {"commit": before["commit"], "modified": True}


def test_a_file_that_the_repository_does_not_have_has_no_commit(checkout, monkeypatch):
    installed = checkout.with_name("installed.py")
    installed.write_text("")
    monkeypatch.setattr(module, "__file__", str(installed))
    assert module.commit() == {"commit": None, "modified": None}


def test_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert module.commit() == {"commit": None, "modified": None}
