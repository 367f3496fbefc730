"""The files that the rules are about, parsed once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cloche"
TESTS = ROOT / "tests"


@cache
def python_files() -> tuple[Path, ...]:
    """Every Python file of the repository, by path."""
    folders = (ROOT / "src", TESTS, ROOT / "bench", ROOT / "docs")
    return tuple(sorted(path for folder in folders for path in folder.rglob("*.py")))


def name_of(path: Path) -> str:
    """The path as the rules' lists and messages write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text())


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> list[Function]:
    """Every function and method in a file."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]


def lines_of(function: Function) -> int:
    """The length of a function without its decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters_of(function: Function) -> list[str]:
    """The names of a function's parameters, without the object that a method is called on."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names
