"""Sphinx configuration: MyST pages, tutorials that are executed, API pages from the docstrings."""

import os
import sys
from importlib.metadata import version as _version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "jaxsci"
author = "The jaxsci developers"
release = _version("jaxsci")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "public_api",
]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = f"jaxsci {release}"

# Tutorials run at every build, and a cell that fails fails it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
# A progress bar of a dependency warns that notebooks could have a nicer one.
os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")
myst_enable_extensions = ["dollarmath"]

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Docstrings are plain text with code in single backticks.
default_role = "code"
