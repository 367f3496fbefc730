"""Files of endpoints: what is taken, and that every fault is told with its file, line and field path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.control.document_text import read_json
from cloche.control.documents import Documents, InvalidDocuments, read_documents
from cloche.control.yaml_text import MAX_VALUES, read_yaml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def written(folder: Path, **files: str) -> Path:
    """The folder, with these files; `_yaml` in a name stands for `.yaml`."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def problems(path: Path) -> list[str]:
    """What is said of the files, without the folder that they are in."""
    with pytest.raises(InvalidDocuments) as raised:
        read_documents(path)
    folder = path if path.is_dir() else path.parent
    return [problem.replace(f"{folder}/", "") for problem in raised.value.problems]


def names(documents: Documents) -> list[Any]:
    """The names of the bodies, in order."""
    return [body.get("name") for body in documents.bodies]


@settings(deadline=None)
@given(VALUES)
def test_json_is_read_as_it_is(value: Any) -> None:
    """Every JSON text, compact or spread over lines, escaped or not, has the value that it has elsewhere."""
    for text in (json.dumps(value), json.dumps(value, indent="\t", ensure_ascii=False)):
        document = read_json(text)
        assert document.value == value
        assert set(document.lines) == set(every_path(value, ()))


@settings(deadline=None)
@given(VALUES)
def test_yaml_is_read_as_it_is(value: Any) -> None:
    """What YAML's own writer made of a value is read as that value, with a line for each part."""
    [document] = read_yaml(yaml.safe_dump(value))
    assert document.value == value
    assert set(document.lines) == set(every_path(value, ()))


def every_path(value: Any, steps: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The way to each part of a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [steps, *(path for key, part in inner for path in every_path(part, (*steps, key)))]


def test_all_shapes_of_a_folder_are_read_by_name(tmp_path: Path) -> None:
    """One body, lists, `endpoints` and several documents are read, sorted by file; other files and folders are not."""
    folder = written(
        tmp_path,
        b_yaml="name: two\n---\n- name: three\n- name: four\n---\n",
        a_json='[{"name": "one"}]',
        c_yml="endpoints:\n- name: five\n",
        notes_txt="name: six",
    )
    (folder / "deeper.yaml").mkdir()
    assert names(read_documents(folder)) == ["one", "two", "three", "four", "five"]


def test_a_fault_of_a_body_is_told_where_it_stands(tmp_path: Path) -> None:
    """A field path inside a body, or of the whole request, becomes file, line and the path inside the file."""
    folder = written(
        tmp_path,
        a_json='[\n  {"name": "one",\n   "config": {\n     "served_entities": [{"name":\n "x y"}]}}\n]',
        b_yaml="# words\nname: two\nconfig:\n  served_entities:\n    - name: small\n      entity_name: m\n",
    )
    documents = read_documents(folder)
    assert documents.told(0, "config.served_entities[0].name", "bad") == (
        f"{folder}/a.json:4: [0].config.served_entities[0].name: bad"
    )
    assert documents.told_of_request("endpoints[1].config.served_entities[0].entity_name", "bad") == (
        f"{folder}/b.yaml:6: config.served_entities[0].entity_name: bad"
    )
    assert documents.told_of_request("endpoints[1].config.served_entities[0].external_model.task", "missing") == (
        f"{folder}/b.yaml:5: config.served_entities[0].external_model.task: missing"
    )
    assert documents.told_of_request("endpoints[7].name", "bad") == "endpoints[7].name: bad"
    assert documents.told_of_request("", "the whole is bad") == "the whole is bad"


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """A folder with many faults is refused once, with all of them."""
    folder = written(
        tmp_path,
        a_yaml="name: one\nname: again\non: 1\nsince: 2026-11-22\nhalf: .nan\n",
        b_json='{"name": "one",\n "name": "two"}',
        c_yaml="name: [",
        d_json='{"name": NaN}',
        e_yaml="just words\n",
        f_yaml="endpoints: []\nversion: 2\n",
        g_json='[{"name": "x"},\n 5]',
    )
    (folder / "h.yaml").write_bytes(b"\xff\xfe\xfd")
    assert problems(folder) == [
        "a.yaml:2: name: is given twice",
        "a.yaml:3: a key must be text: put quotes around it",
        "a.yaml:4: since: must be text, a number, true, false or null: put quotes around it",
        "a.yaml:5: half: must be a finite number",
        "b.json:2: name: is given twice",
        "c.yaml:1: is no YAML: expected the node content, but found '<stream end>'",
        "d.json:1: is no JSON: NaN is no number that JSON knows",
        "e.yaml:1: must be an object, as in POST /api/2.0/serving-endpoints",
        "f.yaml:2: version: cannot stand beside endpoints",
        "g.json:2: [1]: must be an object, as in POST /api/2.0/serving-endpoints",
        "h.yaml: cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """A missing file and an empty folder are faults, for an apply that finds nothing might delete everything."""
    assert problems(tmp_path / "none.yaml") == ["none.yaml: cannot be read: No such file or directory"]
    with pytest.raises(InvalidDocuments, match=r"holds no file whose name ends in \.yaml, \.yml, \.json"):
        read_documents(tmp_path)


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    """What is said once can be used again; what a body says itself goes before what it merges."""
    text = (
        "- &base\n  name: one\n  description: same\n"
        "- <<: *base\n  name: two\n"
        "- <<: [*base, {name: x, route_optimized: true}]\n"
    )
    documents = read_documents(written(tmp_path, a_yaml=text) / "a.yaml")
    assert documents.bodies == [
        {"name": "one", "description": "same"},
        {"name": "two", "description": "same"},
        {"name": "one", "description": "same", "route_optimized": True},
    ]
    assert documents.told(1, "name", "bad").startswith(f"{tmp_path}/a.yaml:5:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]\n", "nested too deeply, or an alias holds itself"),
        ("a: &a {<<: *a}\n", "nested too deeply, or an alias holds itself"),
        ("[" * 3000, "nested too deeply"),
        (
            "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 8)),
            f"more than {MAX_VALUES} values",
        ),
        ("a: !!python/object/apply:os.getcwd []\nb: !!python/name:os.name ''\n", "must be text, a number"),
        ("name: \x07\n", "a character that YAML does not allow"),
        ("a: *nobody\n", "undefined alias"),
    ],
    ids=["alias in itself", "merge of itself", "deep", "laughs", "objects", "control character", "no anchor"],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A file that would hang, crash or run something is refused in words, and soon."""
    found = problems(written(tmp_path, a_yaml=text) / "a.yaml")
    assert len(found) == 1
    assert words in found[0]


def test_deep_json_is_refused(tmp_path: Path) -> None:
    """JSON beyond the interpreter's depth is a fault, not a crash."""
    assert problems(written(tmp_path, a_json="[" * 200_000) / "a.json") == ["a.json:1: is nested too deeply"]


def test_nothing_is_expanded(tmp_path: Path) -> None:
    """Variables and references stay the text that they are."""
    text = "name: $HOME ${HOME}\ndescription: '{{secrets/s/k}}'\n"
    assert read_documents(written(tmp_path, a_yaml=text) / "a.yaml").bodies == [
        {"name": "$HOME ${HOME}", "description": "{{secrets/s/k}}"}
    ]
