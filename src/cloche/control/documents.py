"""Files that declare endpoints: which files there are, the create bodies in them, and where each field stands.

A file holds one create body, a list of them, or `{"endpoints": [...]}`; a YAML file may hold several documents.
Nothing in them is expanded: credentials come as `{{secrets/SCOPE/KEY}}`.  Must not know what a body may say: its faults
are found elsewhere, by field path, and told here with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cloche.control.document_text import Document, Fault, Malformed, Steps, read_json

SUFFIXES = (".yaml", ".yml", ".json")


class InvalidDocuments(Exception):
    """The files cannot be taken: one line for each fault, with file, line and field path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class _Place(NamedTuple):
    """Where a body stands: its file, the way to it inside its document, and the document's lines."""

    file: Path
    prefix: Steps
    lines: dict[Steps, int]


class Documents:
    """Create bodies in the order of their files.  A body is known by its index in `bodies`."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._places: list[_Place] = []

    def add(self, body: dict[str, Any], place: _Place) -> None:
        """Take one more body."""
        self.bodies.append(body)
        self._places.append(place)

    def told(self, index: int, field: str, what: str) -> str:
        """A fault of a body, `field` being a path inside it: `FILE:LINE: PATH: WHAT`.

        The line is that of the field or, where the field is missing, of the nearest part around it.
        """
        place = self._places[index]
        steps = (*place.prefix, *_steps(field))
        around = next(steps[:length] for length in range(len(steps), -1, -1) if steps[:length] in place.lines)
        return _told(place.file, Fault(place.lines[around], steps, what))

    def told_of_request(self, field: str, what: str) -> str:
        """A fault that the server found in `{"endpoints": bodies}`: `field` begins with `endpoints[INDEX]`."""
        found = re.match(r"endpoints\[(\d+)\]\.?", field)
        if found is None or int(found[1]) >= len(self.bodies):
            return f"{field}: {what}" if field else what
        return self.told(int(found[1]), field[found.end() :], what)


def read_documents(path: Path) -> Documents:
    """What a file declares, or all files of a directory whose names end in .yaml, .yml or .json, by name.

    InvalidDocuments tells every fault of every file.  Directories inside the directory are left alone.
    """
    documents, problems = Documents(), []
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
        if not files:
            problems.append(f"{path}: holds no file whose name ends in {', '.join(SUFFIXES)}")
    for file in files:
        try:
            for document in _parsed(file):
                for body, place in _bodies(file, document):
                    documents.add(body, place)
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}")
        except Malformed as error:
            problems.extend(_told(file, fault) for fault in error.faults)
    if problems:
        raise InvalidDocuments(problems)
    return documents


def _parsed(file: Path) -> list[Document]:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".json":
        return [read_json(text)]
    from cloche.control.yaml_text import read_yaml  # late: see there

    return read_yaml(text)


def _bodies(file: Path, document: Document) -> Iterator[tuple[dict[str, Any], _Place]]:
    """The bodies of a document; none where it is empty.  Malformed if it is of another shape."""
    value, lines = document
    if value is None:
        return
    items: list[tuple[Steps, Any]] = [((), value)]
    if isinstance(value, list):
        items = [((index,), item) for index, item in enumerate(value)]
    elif isinstance(value, dict) and isinstance(value.get("endpoints"), list):
        strange = [Fault(lines[(key,)], (key,), "cannot stand beside endpoints") for key in value if key != "endpoints"]
        if strange:
            raise Malformed(strange)
        items = [(("endpoints", index), item) for index, item in enumerate(value["endpoints"])]
    wrong = [steps for steps, item in items if not isinstance(item, dict)]
    if wrong:
        what = "must be an object, as in POST /api/2.0/serving-endpoints"
        raise Malformed([Fault(lines[steps], steps, what) for steps in wrong])
    for steps, item in items:
        yield item, _Place(file, steps, lines)


def _steps(field: str) -> Steps:
    """`config.routes[1].name` as steps."""
    found = re.finditer(r"\[(\d+)\]|([^.\[\]]+)", field)
    return tuple(int(part[1]) if part[1] else part[2] for part in found)


def _path(steps: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _told(file: Path, fault: Fault) -> str:
    path = _path(fault.steps)
    return f"{file}:{fault.line}: {f'{path}: ' if path else ''}{fault.what}"
