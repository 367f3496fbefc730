"""`cloche apply`, `cloche diff` and `cloche export`: the endpoints of a server as files.

The server decides what changes; these commands send all files as one and print its answer.  Must not know what a body
may say: what the server finds wrong is shown at its file and line.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import msgspec
import typer

from cloche.cli import exits, output
from cloche.cli.client import Refused, Server
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server
from cloche.cli.readiness import WAIT_SECONDS, NoWait, wait_until_ready

if TYPE_CHECKING:
    from cloche.control.documents import Documents

PATH = "/api/2.0/cloche/configuration"

SIGNS = {"create": "+", "update": "~", "delete": "-", "unchanged": "="}
RARE_BREAKS = frozenset("\x85\u2028\u2029\ufeff")
LONGEST_VALUE = 60
"""Characters of a value that a plan shows."""

File = Annotated[
    Path,
    typer.Option("--file", "-f", help="A YAML or JSON file of endpoints, or a directory of them.", show_default=False),
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete endpoints that no file names.")]


class Format(StrEnum):
    """How endpoints are written."""

    YAML = "yaml"
    JSON = "json"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("apply", epilog="Example: cloche apply -f endpoints.yaml")(talks_to_server(apply))
    app.command("diff", epilog="Example: cloche diff -f endpoints.yaml")(talks_to_server(diff))
    app.command("export", epilog="Example: cloche export -o endpoints.yaml")(talks_to_server(export))


def apply(
    server: Server,
    file: File,
    prune: Prune = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before endpoints are deleted.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Make the endpoints of the files as the files say: all of them, or none if anything is wrong."""
    documents = read(file)
    if dry_run or (prune and not yes):
        plan = _put(server, documents, prune=prune, dry_run=True)
        if dry_run:
            _print(plan)
            return
        _confirm(plan)
    changes = _put(server, documents, prune=prune, dry_run=False)
    _print(changes)
    if not no_wait:
        there = [each["name"] for each in changes if each["action"] != "delete"]
        unchanged = [each["name"] for each in changes if each["action"] == "unchanged"]
        wait_until_ready(server, there, WAIT_SECONDS, settled=unchanged)


def diff(server: Server, file: File, prune: Prune = False, json: Json = False) -> None:
    """Show what `apply` would change.  Ends with 0 if nothing, 1 if something, 2 or more if it cannot tell."""
    documents = read(file)
    try:
        changes = _put(server, documents, prune=prune, dry_run=True)
    except Failure as failure:
        # As diff(1) does it: 1 is kept for differences.
        raise Failure(str(failure), max(failure.code, exits.USAGE)) from failure
    if json:
        output.data(changes)
    else:
        _print(changes)
    if any(each["action"] != "unchanged" for each in changes):
        raise typer.Exit(exits.ERROR)


def export(
    server: Server,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: print).", show_default=False)
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: by the file's name, else YAML.", show_default=False)
    ] = None,
) -> None:
    """Write all endpoints as a file that `apply` takes.  Credentials are in it as references only."""
    by_name = Format.JSON if to is not None and to.suffix == ".json" else Format.YAML
    text = _written({"endpoints": server.get(PATH)["endpoints"]}, format_ or by_name)
    if to is None:
        output.text(text)
        return
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{to}: cannot be written: {error.strerror}") from error


def read(file: Path) -> Documents:
    """The bodies in the files.  Raises Failure with every fault."""
    # Late, because YAML takes a while to import, and most commands read no file.
    from cloche.control.documents import InvalidDocuments, read_documents

    try:
        return read_documents(file)
    except InvalidDocuments as error:
        raise Failure(str(error), exits.USAGE) from error


def _put(server: Server, documents: Documents, *, prune: bool, dry_run: bool) -> list[dict[str, Any]]:
    """Send the files and be told what changes.  Raises Failure with each fault at its file and line."""
    query = urlencode({name: "true" for name, wanted in (("dry_run", dry_run), ("prune", prune)) if wanted})
    try:
        answer = server.put(f"{PATH}?{query}".rstrip("?"), {"endpoints": documents.bodies})
    except Refused as refused:
        if not refused.faults:
            raise
        told = (documents.told_of_request(field, what) for field, what in refused.faults)
        raise Failure("\n".join(told), exits.USAGE) from refused
    return list(answer["changes"])


def _confirm(plan: list[dict[str, Any]]) -> None:
    """Have the person type how many endpoints are to be deleted, if any.  Raises Failure if they do not."""
    deleted = [each["name"] for each in plan if each["action"] == "delete"]
    if not deleted:
        return
    output.note(f"Type {len(deleted)} to delete {', '.join(deleted)}:")
    try:
        typed = input().strip()
    except EOFError:
        typed = ""
    if typed != str(len(deleted)):
        raise Failure("not confirmed: nothing was changed (--yes does not ask)", exits.USAGE)


def _print(changes: list[dict[str, Any]]) -> None:
    for each in changes:
        output.line(f"{SIGNS[each['action']]} {each['action']:<9}  {each['name']}")
        if each["action"] == "update":
            for part in each["diff"]:
                output.line(f"    {part['path']}: {_short(part, 'before')} -> {_short(part, 'after')}")
    counts = [(sum(each["action"] == action for each in changes), action) for action in SIGNS]
    output.note(", ".join(f"{count} {action}" for count, action in counts if count) or "no endpoints")


def _short(part: dict[str, Any], side: str) -> str:
    """One side of a difference, on one line."""
    if part.get(side) is None:
        return "nothing"
    text = msgspec.json.encode(part[side]).decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _written(endpoints: dict[str, Any], kind: Format) -> str:
    if kind is Format.JSON:
        return msgspec.json.format(msgspec.json.encode(endpoints), indent=2).decode() + "\n"
    # Late, as in `read`.
    import yaml

    # Rare line breaks would come back as blanks if they were not escaped, and PyYAML escapes all signs or none.
    readable = not RARE_BREAKS.intersection(msgspec.json.encode(endpoints).decode())
    return str(yaml.safe_dump(endpoints, sort_keys=False, allow_unicode=readable, width=120))
