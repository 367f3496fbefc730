"""What a module of the product may do when it is imported, and where the environment is read."""

from __future__ import annotations

import ast
import subprocess
import sys

from .source_files import ROOT, SOURCE, name_of, python_files, tree_of

READS_ENVIRONMENT = {
    "src/cloche/settings/": "owns it",
}
"""Where the environment may be read, with the reason."""

PRODUCT = [path for path in python_files() if path.is_relative_to(SOURCE)]


def reads_environment(tree: ast.Module) -> bool:
    """Whether a file looks at os.environ or calls os.getenv."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in {"environ", "environb", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        for node in ast.walk(tree)
    )


def test_only_the_settings_read_the_environment() -> None:
    """What the environment says is read in one place, so that it can be listed and tested there."""
    readers = {name_of(path) for path in PRODUCT if reads_environment(tree_of(path))}
    assert {name for name in readers if not name.startswith(tuple(READS_ENVIRONMENT))} == set()


def test_no_module_keeps_a_state_that_changes() -> None:
    """No function rebinds a name of its module, and no module makes an empty container to be filled later."""
    found = []
    for path in PRODUCT:
        found += [f"{name_of(path)}: global" for node in ast.walk(tree_of(path)) if isinstance(node, ast.Global)]
        for node in tree_of(path).body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.List | ast.Dict | ast.Set) and not ast.unparse(value).strip("{}[]"):
                found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


def test_importing_does_nothing() -> None:
    """Importing the whole product opens no socket, starts no thread or process, and writes nothing."""
    modules = [
        name_of(path).removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in PRODUCT
        if path.name != "__main__.py" and "migrations" not in name_of(path)
    ]
    script = f"""
import sys, threading
done = []
forbidden = ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "sqlite3.connect")
sys.addaudithook(lambda event, args: done.append(event) if event in forbidden else None)
import importlib
for name in {modules!r}:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
assert not done, done
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100, cwd=ROOT)


def test_broad_handlers_say_why() -> None:
    """Catching every exception and going on is for the edges, and each place bears its reason on the same line."""
    silent = []
    for path in PRODUCT:
        lines = path.read_text().splitlines()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                goes_on = not isinstance(node.body[-1], ast.Raise)
                if caught in ("", "Exception", "BaseException") and goes_on and "#" not in lines[node.lineno - 1]:
                    silent.append(f"{name_of(path)}:{node.lineno}")
    assert silent == []
