#!/usr/bin/env python3
"""Write docs/reference/names.md, the list of all public names, from their docstrings and signatures.

``tools/api_page.py`` writes it, ``tools/api_page.py --check`` fails if it is not up to date (a test runs it).
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import tain  # noqa: E402
from tain import cluster, events, transports  # noqa: E402
from tain.records import Record  # noqa: E402

PAGE = ROOT / "docs/reference/names.md"
#: Methods with two underscores that are part of what a class offers.
SPECIAL = ("__iter__", "__aiter__", "__enter__", "__aenter__")


def body_of(value: type) -> list[ast.stmt]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    assert isinstance(node, ast.ClassDef)
    return node.body


def sentences(body: list[ast.stmt]) -> dict[str, tuple[str, str]]:
    """Types and docstrings of the public attributes of a class or module."""
    found = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            default = f" = {ast.unparse(field.value)}" if field.value is not None else ""
            found[field.target.id] = ast.unparse(field.annotation) + default, one_line(text.value.value)
    return {name: row for name, row in found.items() if not name.startswith("_")}


def one_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def signature(name: str, value: object) -> str:
    """``name(parameters) -> type``, over several lines if it is long."""
    found = inspect.signature(value)  # type: ignore[arg-type]
    words = []
    star = False
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            words.append("*")
        kind = parameter.annotation if isinstance(parameter.annotation, str) else ""
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = f"{stars}{parameter.name}" + (f": {kind}" if kind else "")
        if parameter.default is not parameter.empty:
            default = re.sub(r" at 0x\w+", "", repr(parameter.default))
            text += f" = {default}"
        words.append(text)
    result = found.return_annotation
    end = f" -> {result}" if isinstance(result, str) else ""
    line = f"{name}({', '.join(words)}){end}"
    return line if len(line) <= 110 else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){end}"


def methods(value: type) -> list[str]:
    """The public methods of a class, with what they say."""
    lines = []
    for name, member in vars(value).items():
        if name.startswith("_") and name not in SPECIAL:
            continue
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not inspect.isfunction(function) or not function.__doc__:
            continue
        text = one_line(signature(name, function)).replace("( ", "(").replace(", )", ")")
        text = ("async " if inspect.iscoroutinefunction(function) else "") + text.replace("(cls, ", "(")
        lines.append(f"* `{text}`: {one_line(inspect.getdoc(function))}\n")
    return lines


def of_class(name: str, value: type) -> str:
    doc = getattr(value, "__doc__", "") or ""
    text = inspect.cleandoc(doc.partition("\n\nFields:")[0]) + "\n\n"
    if not issubclass(value, (Record, BaseException)):
        text += f"```text\n{signature(name, value)}\n```\n\n"
        if vars(value).get("__init__") is not None and value.__init__.__doc__:  # type: ignore[misc]
            text += inspect.getdoc(value.__init__) + "\n\n"  # type: ignore[misc, operator]
    rows = sentences(body_of(value))
    for key, member in vars(value).items():
        if isinstance(member, property) and member.fget is not None and not key.startswith("_"):
            rows[key] = str(member.fget.__annotations__.get("return", "")), one_line(member.fget.__doc__)
    if rows:
        text += "| field | type | meaning |\n|---|---|---|\n"
        text += "".join(f"| `{key}` | `{cell(kind)}` | {cell(meaning)} |\n" for key, (kind, meaning) in rows.items())
        text += "\n"
    found = methods(value)
    return text + "".join(found) + ("\n" if found else "")


def comment(module: ModuleType, name: str) -> str:
    """The comment above a constant of a module."""
    source = inspect.getsource(module).splitlines()
    (line,) = [number for number, text in enumerate(source) if re.match(rf"{name}(: .*)? = ", text)]
    words = []
    while source[line - 1].startswith("#: "):
        line -= 1
        words.insert(0, source[line][3:])
    return " ".join(words)


def page() -> str:
    """The page as it should be."""
    text = "# All names of the API\n\nMade from the docstrings by `tools/api_page.py`; types are as in the source. "
    text += "[api.md](api.md) says how the names are used.\n\n"
    errors: list[type[tain.TainError]] = []
    for module in (tain, events, transports, cluster):
        for name in module.__all__:
            value = getattr(module, name)
            full = f"{module.__name__}.{name}"
            if inspect.ismodule(value) or (module is not tain and name in tain.__all__):
                continue
            if inspect.isclass(value) and issubclass(value, tain.TainError):
                errors.append(value)
                continue
            text += f"## {full}\n\n"
            if inspect.isclass(value):
                text += of_class(full, value)
            elif inspect.isroutine(value):
                head = "async " if inspect.iscoroutinefunction(value) else ""
                text += f"```text\n{head}{signature(full, value)}\n```\n\n{inspect.getdoc(value)}\n\n"
            else:
                home = sys.modules["tain.api.presets"] if module is tain else module
                text += comment(home, name) + "\n\n"
    text += "## Exceptions\n\n| name | code | for |\n|---|---|---|\n"
    for error in errors:
        text += f"| `tain.{error.__name__}` | {error.code} | {one_line(error.__doc__)} |\n"
    text += (
        "\nEach has `code` (rsync's exit code), `result` (the `Result` that `Result.check` has refused, else None), "
    )
    text += "`problems` and `hints` of that result.\n"
    return text


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit("run tools/api_page.py" if PAGE.read_text() != page() else 0)
    PAGE.write_text(page())
