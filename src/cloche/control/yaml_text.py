"""A text of YAML as plain values, with the line of each of its parts, so that a fault can be pointed at.

Owns what of YAML is taken: what JSON can say, anchors and merge keys, and no key twice.  PyYAML takes 10 ms and 1 MB to
be imported, so who reads YAML imports this file when there is some.  Must not know files, nor what the values mean.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from cloche.control.document_text import Document, Fault, Malformed, Steps

MAX_VALUES = 100_000
"""An alias can stand for much, and that for more: beyond this many values a text is refused."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))


def read_yaml(text: str) -> list[Document]:
    """Every document of a YAML text.  Malformed lists what is wrong, as far as it could be read."""
    documents: list[Document] = []
    faults: list[Fault] = []
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            walk = _Walk(loader, faults)
            documents.append(Document(walk.value(loader.get_node(), ()), walk.lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.append(Fault(1 if mark is None else mark.line + 1, (), f"is no YAML: {error.problem or error.context}"))
    except yaml.reader.ReaderError as error:
        faults.append(Fault(text.count("\n", 0, error.position) + 1, (), "has a character that YAML does not allow"))
    except RecursionError:
        faults.append(Fault(1, (), "is nested too deeply, or an alias holds itself"))
    if faults:
        raise Malformed(faults)
    return documents


class _Walk:
    """One way through a tree of YAML nodes: makes the values, notes lines and faults."""

    def __init__(self, loader: yaml.SafeLoader, faults: list[Fault]) -> None:
        self._loader = loader
        self._faults = faults
        self._visits = 0
        self.lines: dict[Steps, int] = {}

    def value(self, node: Any, steps: Steps) -> Any:  # Any: the stubs leave the nodes' content untyped
        """The value of a node; None in the place of a fault."""
        self.lines.setdefault(steps, _line(node))
        self._visits += 1
        if self._visits > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} values", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, steps)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*steps, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, steps)

    def _scalar(self, node: Any, steps: Steps) -> Any:
        if node.tag not in _SCALARS:
            return self._fault(node, steps, "must be text, a number, true, false or null: put quotes around it")
        try:
            found = self._loader.construct_object(node)
        except ValueError as error:
            return self._fault(node, steps, str(error))
        if isinstance(found, float) and not math.isfinite(found):
            return self._fault(node, steps, "must be a finite number")
        return found

    def _mapping(self, node: Any, steps: Steps) -> dict[str, Any]:
        found: dict[str, Any] = {}
        inherited: list[Any] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                inherited += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            elif key_node.tag != _TAG + "str":
                self._fault(key_node, steps, "a key must be text: put quotes around it")
            elif key_node.value in found:
                self._fault(key_node, (*steps, key_node.value), "is given twice")
            else:
                below = (*steps, key_node.value)
                self.lines.setdefault(below, _line(key_node))
                found[key_node.value] = self.value(value_node, below)
        for base in inherited:
            if isinstance(base, yaml.MappingNode):
                found = self.value(base, steps) | found
            else:
                self._fault(base, steps, "only a mapping can be merged")
        return found

    def _fault(self, node: Any, steps: Steps, what: str) -> None:
        self._faults.append(Fault(_line(node), steps, what))


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
