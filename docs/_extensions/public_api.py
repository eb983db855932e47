"""``.. public-api:: package``: everything that a package exports, file by file.

A file holds one idea and opens with its equation and reference, so each file's docstring goes
before the names that it defines. The names are those that users import.
"""

import importlib
import inspect
import re
import sys
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_CODE = re.compile(r"(``.+?``|`.+?`)", flags=re.DOTALL)
_ARRAY_LIKE = re.compile(
    r"~jax\.[\w.]*Array \| ~numpy\.ndarray \| ~numpy\.bool \| ~numpy\.number"
    r" \| bool \| int \| float \| complex"
)
_MARKUP = re.compile(r"([*|\\])|(?<=\w)(_)(?!\w)")


class PublicApi(SphinxDirective):
    """List the exports of the package named by the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write autodoc directives and have them parsed."""
        package = importlib.import_module(self.arguments[0])
        lines = []
        for module, names in _exports(package).items():
            if module is not package:
                lines += [f".. rubric:: {module.__name__.rpartition('.')[2]}", ""]
                lines += [
                    f".. automodule:: {module.__name__}",
                    "   :no-members:",
                    "   :no-index:",
                    "",
                ]
            lines += [f".. currentmodule:: {package.__name__}", ""]
            for name in names:
                lines += [f".. auto{_kind(getattr(package, name))}:: {name}"]
                # A package may hand on what another one on the page exports: one entry in the index.
                lines += ["   :no-index:", ""] if self._listed(getattr(package, name)) else [""]
        return self.parse_text_to_nodes("\n".join(lines))

    def _listed(self, value: Any) -> bool:
        """Whether an earlier directive of the page has this class or function."""
        listed = self.env.current_document.setdefault("public_api", [])
        if any(value is other for other in listed):
            return True
        listed.append(value)
        return False


def _exports(package: ModuleType) -> dict[ModuleType, list[str]]:
    """Public names by the module that defines them, in the order of the package."""
    exports: dict[ModuleType, list[str]] = {}
    for name, value in vars(package).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        home = sys.modules.get(getattr(value, "__module__", ""), package)
        # Type aliases belong to the module that made them up, which they do not know.
        home = home if home.__name__.startswith(package.__name__) else package
        exports.setdefault(home, []).append(name)
    return exports


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "class"
    return "function" if inspect.isroutine(value) else "data"


def _plain_text(app, what, name, obj, options, lines):
    """Formulas stay as they are written: displayed ones in literal blocks, others escaped."""
    del app, name, options
    if what == "data" and obj.__doc__ == type(obj).__doc__:
        lines.clear()  # a constant has no docstring of its own, and that of `dict` says nothing
    text = "\n".join(lines)
    blocks = [text]
    if what == "module":
        # A block that is indented after a paragraph is a displayed formula, or code after "::".
        text = re.sub(r"::(?=\n\n {4}\S)", ":", text)
        text = re.sub(r"(?<=\S)\n\n(?= {4}\S)", "\n\n::\n\n", text)
        blocks = re.split(r"(?m)(^::\n\n(?:(?: {4}.*)?\n)+)", text)
    lines[:] = "".join(
        block if block.startswith("::") else _escaped(block) for block in blocks
    ).split("\n")


def _escaped(text: str) -> str:
    parts = _CODE.split(text)
    parts[::2] = [_MARKUP.sub(r"\\\1\2", part) for part in parts[::2]]
    return "".join(parts)


def _short_types(app, what, name, obj, options, signature, returns):
    """Types as the source has them: `Array` and `ArrayLike` by their names."""
    del app, what, name, obj, options

    def short(text):
        text = _ARRAY_LIKE.sub("ArrayLike", text)
        text = text.replace("jaxlib._jax.Array", "Array").replace("~jaxtyping.", "")
        return re.sub(r"<function (\w+)>", r"\1", text)

    return signature and short(signature), returns and short(returns)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the hooks, that of the docstrings ahead of napoleon's."""
    app.add_directive("public-api", PublicApi)
    app.connect("autodoc-process-docstring", _plain_text, priority=100)
    app.connect("autodoc-process-signature", _short_types)
    return {"parallel_read_safe": True}
