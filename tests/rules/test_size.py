"""Files and functions stay small: what does not fit in one look is not understood in one."""

from __future__ import annotations

from statistics import median

from .source_files import SOURCE, functions, lines_of, name_of, parameters_of, python_files, tree_of

MAX_FILE = 400
MAX_FUNCTION = 60
MAX_PARAMETERS = 5

LONG_FILES: dict[str, str] = {}
"""Files that may be longer, with the reason."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, as `file:name`, with the reason."""

MANY_PARAMETERS: dict[str, str] = {}
"""Functions that may take more, as `file:name`, with the reason."""


def test_no_file_is_too_long() -> None:
    """A file has at most 400 lines, and the list of exceptions has no name that needs none."""
    long = {name_of(path) for path in python_files() if len(path.read_text().splitlines()) > MAX_FILE}
    assert long == LONG_FILES.keys()


def test_no_function_is_too_long() -> None:
    """A function has at most 60 lines, and the list of exceptions has no name that needs none."""
    long = {
        f"{name_of(path)}:{function.name}"
        for path in python_files()
        for function in functions(path)
        if lines_of(function) > MAX_FUNCTION
    }
    assert long == LONG_FUNCTIONS.keys()


def test_no_function_takes_too_much() -> None:
    """A function of the product takes at most 5 parameters; a command's options are its parameters, so the command
    line is counted by its users."""
    many = {
        f"{name_of(path)}:{function.name}"
        for path in python_files()
        if path.is_relative_to(SOURCE) and not path.is_relative_to(SOURCE / "cli")
        for function in functions(path)
        if len(parameters_of(function)) > MAX_PARAMETERS
    }
    assert many == MANY_PARAMETERS.keys()


def test_most_are_much_smaller() -> None:
    """The middle file of the product has at most 150 lines and the middle function at most 8."""
    files = [path for path in python_files() if path.is_relative_to(SOURCE) and tree_of(path).body]
    assert median(len(path.read_text().splitlines()) for path in files) <= 150
    assert median(lines_of(function) for path in files for function in functions(path)) <= 8
