"""Models come whole, under one name each, and go without a trace."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cloche.domain.errors import AlreadyExists, BadRequest, InvalidParameter, NotFound
from cloche.engine.catalogue import Catalogue
from gguf_files import small_model


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """An empty catalogue."""
    return Catalogue(tmp_path / "models")


def gguf(folder: Path, seed: str = "") -> Path:
    """A small sound model file."""
    path = folder / f"file{seed}.gguf"
    path.write_bytes(small_model(seed=seed))
    return path


def test_an_added_model_is_listed(catalogue: Catalogue, tmp_path: Path) -> None:
    """What the header says is kept, the file itself stays, and a second catalogue over the folder sees the same."""
    path = gguf(tmp_path)
    model = catalogue.add(path, "mine")
    assert path.exists()
    assert Path(model.path) == tmp_path / "models" / model.sha256[:16] / "model.gguf"
    assert (model.context_length, model.licence, model.has_tool_template) == (2048, "apache-2.0", False)
    assert model.size == path.stat().st_size
    assert Catalogue(tmp_path / "models").list() == [model]
    assert catalogue.get("mine") == model


def test_nothing_is_left_of_staging(catalogue: Catalogue, tmp_path: Path) -> None:
    """After an add that worked and one that failed, the folder holds the model and the lock alone."""
    model = catalogue.add(gguf(tmp_path), "mine")
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"no")
    with pytest.raises(BadRequest):
        catalogue.add(bad, "bad")
    assert {entry.name for entry in (tmp_path / "models").iterdir()} == {".lock", model.sha256[:16]}


@pytest.mark.parametrize("name", ["", "a" * 64, "a/b", "a b", "日本", "a\n"])
def test_a_bad_name_is_refused(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    """Names are 1 to 63 letters, digits, '_', '.' or '-'."""
    with pytest.raises(InvalidParameter):
        catalogue.add(gguf(tmp_path), name)


def test_names_and_files_are_unique(catalogue: Catalogue, tmp_path: Path) -> None:
    """The same file under the same name is no error; another file, or another name for it, is."""
    model = catalogue.add(gguf(tmp_path), "mine")
    assert catalogue.add(gguf(tmp_path), "mine") == model
    with pytest.raises(AlreadyExists, match="another model 'mine'"):
        catalogue.add(gguf(tmp_path, "2"), "mine")
    with pytest.raises(AlreadyExists, match="already here as 'mine'"):
        catalogue.add(gguf(tmp_path), "other")


def test_a_missing_file_is_a_clear_error(catalogue: Catalogue, tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(BadRequest, match=r"nowhere\.gguf cannot be read: No such file"):
        catalogue.add(tmp_path / "nowhere.gguf", "mine")


def test_a_removed_model_is_gone(catalogue: Catalogue, tmp_path: Path) -> None:
    """Its folder too; asking again is NotFound."""
    model = catalogue.add(gguf(tmp_path), "mine")
    catalogue.remove("mine")
    assert not Path(model.path).parent.exists()
    with pytest.raises(NotFound):
        catalogue.remove("mine")


def test_a_broken_manifest_is_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    """One folder that cannot be read hides no other model, and its place can be taken again."""
    model = catalogue.add(gguf(tmp_path), "mine")
    Path(model.path).with_name("manifest.json").write_text("{")
    other = catalogue.add(gguf(tmp_path, "2"), "other")
    assert catalogue.list() == [other]
    assert catalogue.add(gguf(tmp_path), "mine").sha256 == model.sha256


def test_leftovers_of_a_killed_one_are_swept(catalogue: Catalogue, tmp_path: Path) -> None:
    """Whoever gets the lock removes older staging folders."""
    leftover = tmp_path / "models" / ".staging-old"
    leftover.mkdir(parents=True)
    (leftover / "model.gguf").write_bytes(b"half")
    catalogue.add(gguf(tmp_path), "mine")
    assert not leftover.exists()


def test_the_second_waits_for_the_first(catalogue: Catalogue, tmp_path: Path) -> None:
    """Staging is held by one at a time; the one that waits is told so."""
    waiting, entered = threading.Event(), threading.Event()

    def second() -> None:
        with Catalogue(tmp_path / "models").staging(on_wait=waiting.set):
            entered.set()

    with catalogue.staging():
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        assert not entered.is_set()
    assert entered.wait(5)
    thread.join()
