"""The pages of the browser as they were built: read once, held in memory, answered with heads that keep them safe.

Owns which paths are pages and what their answers' heads say.  A path is looked up in a table of what was read at the
start, so that no path can lead to another file.  Must not know what is in the files: `ui/` builds them into `pages/`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloche.http.context import Answer, ControlRequest

BUILT = Path(__file__).with_name("pages")
"""Where the build puts them; part of the package."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGES = frozenset(
    (
        "endpoints",
        "playground",
        "calls",
        "usage",
        "budgets",
        "tokens",
        "secrets",
        "people",
        "audit",
        "models",
        "status",
        "signin",
    )
)
"""The first parts of paths that are pages, beside `/`.  All are one file, which sees by the path what to show."""

_INDEX = "/index.html"
_ASSETS = "/ui-assets/"
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_ALWAYS = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("vary", "accept-encoding"),
)


@dataclass(frozen=True)
class _File:
    """One file."""

    body: bytes
    media_type: str
    tag: str
    immutable: bool

    @functools.cached_property
    def packed(self) -> bytes | None:
        """The same with gzip, where that is smaller: made when a browser first asks, 7 ms for the largest, because most
        servers show their pages to nobody."""
        packed = gzip.compress(self.body, mtime=0)
        return packed if len(packed) < len(self.body) else None


class Pages:
    """What is served out of a folder; without one there are no pages."""

    def __init__(self, folder: Path | None) -> None:
        found = [] if folder is None else [_read(folder, path) for path in _inside(folder)]
        self._files: Mapping[str, _File] = dict(found)

    def answer(self, request: ControlRequest) -> Answer | None:
        """The answer to a GET or HEAD of a page or of a part of one; None where the path is neither."""
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.url_path
        if path == "/" or path.split("/", 2)[1] in PAGES:
            path = _INDEX
        elif not path.startswith(_ASSETS):
            return None
        file = self._files.get(path)
        return None if file is None else _answer(file, request.headers)


def _inside(folder: Path) -> list[Path]:
    """The index and the assets; a link is none of them, wherever it leads."""
    found = [folder / _INDEX.strip("/"), *sorted((folder / _ASSETS.strip("/")).rglob("*"))]
    home = folder.resolve()
    return [path for path in found if path.is_file() and path.resolve() == home / path.relative_to(folder)]


def _read(folder: Path, path: Path) -> tuple[str, _File]:
    body = path.read_bytes()
    return f"/{path.relative_to(folder).as_posix()}", _File(
        body,
        _KINDS.get(path.suffix, "application/octet-stream"),
        hashlib.sha256(body).hexdigest()[:32],
        _HASHED.search(path.name) is not None,
    )


def _answer(file: _File, asked: Mapping[str, str]) -> Answer:
    packed = file.packed if _takes_gzip(asked.get("accept-encoding", "")) else None
    tag = f'"{file.tag}"' if packed is None else f'"{file.tag}-gzip"'
    headers = (
        *_ALWAYS,
        ("etag", tag),
        ("cache-control", "public, max-age=31536000, immutable" if file.immutable else "no-cache"),
        *((("content-encoding", "gzip"),) if packed is not None else ()),
    )
    if tag in re.findall(r'"[^"]*"', asked.get("if-none-match", "")):
        return Answer(b"", 304, headers[:-1] if packed is not None else headers, file.media_type)
    return Answer(file.body if packed is None else packed, 200, headers, file.media_type)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, parameters = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return re.fullmatch(r"q=0(\.0*)?", parameters.replace(" ", "")) is None
    return False
