"""The pages of the browser: which paths they are, what their heads say, and that nothing else is served with them."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from edge_client import Connection, call, request
from edge_server import Edge, serving

from cloche.http.context import Answer, ControlRequest
from cloche.http.page_files import BUILT, PAGES, Pages

pytest_plugins = ("edge_fixtures",)

INDEX = (BUILT / "index.html").read_bytes()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def get(path: str, extra: bytes = b"", method: bytes = b"GET") -> bytes:
    """A request as a browser sends it: without a token."""
    return request(b"", path=path.encode(), method=method, auth=b"", extra=extra)


def test_every_page_is_the_built_file(edge: Edge) -> None:
    """Each path of a page gives the index without a token, with the heads that keep it safe and fresh."""
    for path in ("/", "/endpoints/a/permissions", "/signin/callback?code=x&state=y", *(f"/{page}" for page in PAGES)):
        got = call(edge.port, get(path))
        assert (got.status, got.body) == (200, INDEX), path
        told = got.headers
        assert told["content-security-policy"] == POLICY
        assert (told["x-content-type-options"], told["referrer-policy"]) == ("nosniff", "no-referrer")
        assert (told["cache-control"], told["content-type"]) == ("no-cache", "text/html; charset=utf-8")


def test_a_page_that_is_known_is_not_sent_again(edge: Edge) -> None:
    """With the tag of what it has, a browser is told 304; HEAD has no body, and gzip a tag of its own."""
    plain = call(edge.port, get("/"))
    tag = plain.headers["etag"].encode()
    with Connection(edge.port) as connection:
        connection.send(get("/", b"If-None-Match: W/" + tag + b"\r\n"))
        same = connection.answer(head_only=True)
        assert (same.status, same.headers["etag"].encode()) == (304, tag)
        connection.send(get("/"))  # nothing but the head was sent before
        assert connection.answer().body == INDEX
    assert call(edge.port, get("/", b'If-None-Match: "other"\r\n')).status == 200
    with Connection(edge.port) as connection:
        connection.send(get("/", method=b"HEAD"))
        head = connection.answer(head_only=True)
        assert head.headers["content-length"] == str(len(INDEX))
        connection.send(get("/", b"Accept-Encoding: br, gzip\r\n"))
        packed = connection.answer()
    assert gzip.decompress(packed.body) == INDEX
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding")
    assert packed.headers["etag"].encode() != tag
    assert call(edge.port, get("/", b"Accept-Encoding: gzip;q=0\r\n")).body == INDEX


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/nothing",
        "/endpointsx",
        "//endpoints",
        "/ui-assets",
        "/ui-assets/none.js",
        "/ui-assets/../index.html",
        "/ui-assets/%2e%2e/%2e%2e/app.py",
        "/ui-assets/..%2f..%2fapp.py",
        "/ui-assets//etc/passwd",
        "/api/2.0/nothing",
    ],
)
def test_what_is_no_page_is_a_404_in_json(edge: Edge, path: str) -> None:
    """Nothing but pages and their parts is served, however a path is written."""
    got = call(edge.port, get(path))
    assert (got.status, got.json["error_code"]) == (404, "NOT_FOUND"), got
    assert "content-security-policy" not in got.headers


def test_a_page_is_only_read(edge: Edge) -> None:
    """Any method but GET and HEAD is a 404 in JSON, as before there were pages."""
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS"):
        assert call(edge.port, get("/", method=method)).status == 404


def test_pages_can_be_switched_off(tmp_path: Path) -> None:
    """With the setting `pages` off there are none."""
    with serving(tmp_path, pages="off") as edge:
        assert call(edge.port, get("/")).json["error_code"] == "NOT_FOUND"
        assert call(edge.port, get("/status")).status == 404
        assert call(edge.port, get("/health")).status == 200


def ask(pages: Pages, path: str, headers: Mapping[str, str] | None = None) -> Answer | None:
    """What a folder's pages say to a GET."""
    return pages.answer(ControlRequest("1", "GET", path, {}, {}, headers or {}, b"", "http://x", ""))


def test_only_files_of_the_folder_are_read(tmp_path: Path) -> None:
    """A link to a file elsewhere is not followed, hashed assets are for ever, and others are asked for again."""
    built, secret = tmp_path / "pages", tmp_path / "secret.txt"
    secret.write_text("not for you")
    (built / "ui-assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "notes.txt").write_text("beside the assets")
    (built / "ui-assets" / "app-B1gHash0.js").write_text("let a = 1;" * 100)
    (built / "ui-assets" / "icon.svg").write_text("<svg/>")
    (built / "ui-assets" / "link.txt").symlink_to(secret)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "key.txt").write_text("not for you")
    (built / "ui-assets" / "folder").symlink_to(tmp_path / "elsewhere")
    pages = Pages(built)
    for path in ("/ui-assets/link.txt", "/ui-assets/folder/key.txt", "/notes.txt", "/ui-assets/../../secret.txt"):
        assert ask(pages, path) is None, path
    script = ask(pages, "/ui-assets/app-B1gHash0.js", {"accept-encoding": "gzip"})
    assert script is not None
    told = dict(script.headers)
    assert told["cache-control"] == "public, max-age=31536000, immutable"
    assert (script.media_type, told["content-encoding"]) == ("text/javascript; charset=utf-8", "gzip")
    icon = ask(pages, "/ui-assets/icon.svg", {"accept-encoding": "gzip"})
    assert icon is not None
    assert (icon.body, dict(icon.headers)["cache-control"]) == (b"<svg/>", "no-cache")
    (built / "index.html").write_text("changed after the start")
    page = ask(pages, "/")
    assert page is not None
    assert page.body == b"<!doctype html>"


def test_the_index_runs_nothing_of_its_own() -> None:
    """The policy allows no script or style inside the file, and no other host; the file has none."""
    text = INDEX.decode()
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", text) is None


def test_the_first_page_is_light() -> None:
    """What a browser loads for its first page, with the larger language and the largest page, is at most 300 kB."""
    assets = BUILT / "ui-assets"
    named = [BUILT / path for path in re.findall(r"/(ui-assets/[^\"]+)", INDEX.decode())]
    language = max(assets.glob("[ej][na]-*.js"), key=lambda path: path.stat().st_size)
    page = max(assets.glob("*Page-*.js"), key=lambda path: path.stat().st_size)
    sizes = [len(gzip.compress(path.read_bytes())) for path in (*named, language, page)]
    assert len(named) > 2
    assert sum(sizes) <= 300_000


def test_the_wheel_brings_the_pages(tmp_path: Path) -> None:
    """Whoever installs the wheel has every built file."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    built = {
        f"cloche/{path.relative_to(root / 'src/cloche').as_posix()}" for path in BUILT.rglob("*") if path.is_file()
    }
    assert built
    assert built <= names
