"""Every file and every test says what it is about, under a name that means something."""

from __future__ import annotations

import ast
import re

from .source_files import TESTS, functions, name_of, python_files, tree_of

EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}


def test_every_module_opens_with_a_docstring() -> None:
    """A file with anything in it says first what it owns."""
    silent = [name_of(path) for path in python_files() if tree_of(path).body and not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_every_test_says_what_must_be_true() -> None:
    """A test's docstring is one sentence, or a few, that ends with a full stop."""
    silent = [
        f"{name_of(path)}:{function.name}"
        for path in python_files()
        if path.is_relative_to(TESTS) and path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_") and not re.search(r"\.\)?$", ast.get_docstring(function) or "")
    ]
    assert silent == []


def test_no_name_means_nothing() -> None:
    """No file, folder or class is a heap of helpers or a manager of things."""
    found = []
    for path in python_files():
        classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
        words = re.findall("[A-Z]?[a-z]+", " ".join([name_of(path).removesuffix(".py"), *classes]))
        found += [f"{name_of(path)}: {word}" for word in words if word.lower() in EMPTY_NAMES]
    assert found == []
