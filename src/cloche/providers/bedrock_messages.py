"""A conversation as Bedrock's Converse takes it: turns of user and assistant by turns, instructions apart.

Works on the client's own JSON, which wire/ has checked, because the canonical parts keep modelled fields only.
Instructions go to the front wherever they stood; answers of tools become blocks of the user's turn, and neighbours of
one role one turn.  Converse takes bytes and what lies in S3, and follows no links.  Must not know models or settings.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.bedrock_models import Maker
from cloche.providers.message_fields import content_of
from cloche.providers.tool_arguments import arguments_of

Block = dict[str, Any]
"""A content block or a turn, as the API's JSON has it."""

OPENING = "(The conversation begins.)"
"""What the user says where the assistant would speak first: the API wants the user to."""

NO_OUTPUT = "(no output)"
"""The result of a tool that gave none: not every model takes an empty one."""

_IMAGES = MappingProxyType(
    {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
)
_DOCUMENTS = MappingProxyType(
    {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    }
)
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_LONGEST_ID = 64
_LONGEST_NAME = 180
"""Of a document, which may have 200 characters: a number behind it has room."""


class Conversation:
    """`system`: blocks of the instructions.  `turns`: never two of one role in a row, the user's first.  `called`: the
    functions that were called in it, by name."""

    __slots__ = ("_documents", "_maker", "_report", "called", "system", "turns")

    def __init__(self, messages: list[Block], report: Report, maker: Maker) -> None:
        self._report = report
        self._maker = maker
        self._documents: set[str] = set()
        self.system: list[Block] = []
        self.turns: list[Block] = []
        self.called: dict[str, None] = {}
        report.note("mapped", "messages")
        for index, message in enumerate(messages):
            self._add(message, f"messages[{index}]")
        if not self.turns and self.system:
            # A conversation must not be empty: instructions alone are what the user says.
            self.turns, self.system = [{"role": "user", "content": self.system}], []
            report.note("emulated", "messages")
        if not self.turns:
            raise BadRequest("messages: bedrock needs a message that is not empty")
        if self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "content": [{"text": OPENING}]})
            report.note("emulated", "messages")
        if self.turns[-1]["role"] == "assistant":
            _trim_end(self.turns[-1]["content"])

    @property
    def speaks_of_tools(self) -> bool:
        """Whether there are calls or results in it."""
        return any("toolUse" in block or "toolResult" in block for turn in self.turns for block in turn["content"])

    def _add(self, message: Block, path: str) -> None:
        if message.get("name") is not None and message["role"] != "tool":
            self._report.note("dropped", "messages.name")
        role = {"developer": "system", "tool": "user"}.get(message["role"], message["role"])
        where = "system" if role == "system" else "messages"
        if message["role"] == "tool":
            blocks = self._result(message, path)
        else:
            blocks = list(self._blocks(content_of(message), f"{path}.content", where))
            for at, call in enumerate(message.get("tool_calls") or ()):
                blocks += [self._call(call, f"{path}.tool_calls[{at}]"), *self.cache_point(call, where)]
        if not blocks:
            return
        blocks += self.cache_point(message, where)
        if role == "system":
            self.system += blocks
        elif self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def cache_point(self, given: Block, where: str) -> list[Block]:
        """The cache point that `given` asks for, to stand behind it.  `where`: system, messages or tools."""
        wanted = given.get("cache_control")
        if wanted is None:
            return []
        if where not in self._maker.caches:
            self._report.note("dropped", f"{where}.cache_control", "this model has no cache points there")
            return []
        ttl = {"ttl": wanted["ttl"]} if isinstance(wanted, dict) and wanted.get("ttl") else {}
        return [{"cachePoint": {"type": "default", **ttl}}]

    # ------------------------------------------------------------ parts

    def _blocks(self, content: Any, path: str, where: str = "messages") -> Iterator[Block]:
        """The content as blocks.  Texts of white space alone are left out: the API refuses them."""
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for index, part in enumerate(content or ()):
            found = list(self._part(part, f"{path}[{index}]"))
            missing = next((kind for block in found for kind in self._maker.lacks if kind in block), None)
            if missing is not None:
                raise BadRequest(f"{path}[{index}].type: this model takes no {missing}")
            yield from found
            yield from self.cache_point(part, where) if found else ()

    def _part(self, part: Block, path: str) -> Iterator[Block]:
        """One part; kinds that are none of OpenAI's are Converse's own, as `{"type": "video", "video": {…}}`."""
        kind = part["type"]
        if kind in ("text", "refusal"):
            if part[kind].strip():
                yield {"text": part[kind]}
        elif kind == "reasoning":
            yield from _thoughts(part, self._report)
        elif kind == "image_url":
            yield self._image(part["image_url"], f"{path}.image_url")
        elif kind == "file":
            yield self._file(part["file"], f"{path}.file")
        elif kind == "document":
            yield self._given_document(part, f"{path}.source")
        elif kind == "input_audio":
            yield _audio(part["input_audio"], f"{path}.input_audio")
        elif isinstance(part.get(kind), dict):
            yield {kind: part[kind]}
        else:
            raise BadRequest(f"{path}.type: bedrock has no '{kind}' that looks like this")

    def _image(self, given: Any, path: str) -> Block:
        if isinstance(given, dict) and given.get("detail") not in (None, "auto"):
            self._report.note("dropped", "messages.content.image_url.detail")
        url = given["url"] if isinstance(given, dict) else given
        if url.startswith("s3://"):
            ending = url.rpartition(".")[2].lower()
            form = _IMAGES.get(f"image/{ending}")
            if form is None:
                raise BadRequest(f"{path}: what lies in S3 must be named .png, .jpeg, .gif or .webp")
            return {"image": {"format": form, "source": _in_s3(url)}}
        kind, data = _data(url, path)
        form = _IMAGES.get(kind)
        if form is None:
            raise BadRequest(f"{path}: bedrock takes png, jpeg, gif and webp, not '{kind}'")
        return {"image": {"format": form, "source": {"bytes": data}}}

    def _file(self, file: Block, path: str) -> Block:
        """OpenAI's file part: a data URL, or base64 with a name that tells what it is."""
        data, name = file.get("file_data"), file.get("filename")
        name = name if isinstance(name, str) else ""
        if not isinstance(data, str):
            raise BadRequest(f"{path}.file_data: this field is required: bedrock has none of OpenAI's files")
        if data.startswith("s3://"):
            return self._document(_format_of(data), name, _in_s3(data), path)
        form = _format_of(name)
        if ":" in data:
            kind, data = _data(data, f"{path}.file_data")
            form = _DOCUMENTS.get(kind, form)
        return self._document(form, name, {"bytes": data}, path)

    def _given_document(self, part: Block, path: str) -> Block:
        """A document in the shape of Anthropic's API, with the fields that both have."""
        source = part["source"]
        data, url = source.get("data"), source.get("url")
        form = _DOCUMENTS.get(source.get("media_type", ""), "")
        if source.get("type") == "text" and isinstance(data, str):
            form, found = form or "txt", {"bytes": base64.b64encode(data.encode()).decode()}
        elif source.get("type") == "base64" and isinstance(data, str):
            found = {"bytes": data}
        elif source.get("type") == "url" and isinstance(url, str) and url.startswith("s3://"):
            form, found = form or _format_of(url), _in_s3(url)
        else:
            raise BadRequest(f"{path}: must be of type base64 or text with data, or url with an s3:// URL")
        title = part.get("title")
        made = self._document(form, title if isinstance(title, str) else "", found, path)
        made["document"] |= {name: part[name] for name in ("citations", "context") if part.get(name) is not None}
        return made

    def _document(self, form: str, name: str, source: Block, path: str) -> Block:
        """A document under a name that the API takes, and no other has in this conversation."""
        if not form:
            raise BadRequest(f"{path}: bedrock takes {', '.join(_DOCUMENTS.values())}; say which by type or file name")
        stem = name.rpartition(".")[0] or name
        stem = " ".join(_NOT_IN_NAMES.sub("-", stem).split())[:_LONGEST_NAME].strip() or "document"
        unique, number = stem, 1
        while unique in self._documents:
            number += 1
            unique = f"{stem} ({number})"
        self._documents.add(unique)
        return {"document": {"format": form, "name": unique, "source": source}}

    # ------------------------------------------------------------ tools

    def _call(self, call: Block, path: str) -> Block:
        function = call["function"]
        self.called[function["name"]] = None
        given = arguments_of(function["arguments"], f"{path}.function.arguments", "bedrock")
        return {"toolUse": {"toolUseId": _identifier(call["id"]), "name": function["name"], "input": given}}

    def _result(self, message: Block, path: str) -> list[Block]:
        """The result, and behind it what cannot stand inside: there a cache point says the same."""
        blocks = list(self._blocks(message.get("content"), f"{path}.content"))
        marks = [block for block in blocks if "cachePoint" in block]
        content = [block for block in blocks if "cachePoint" not in block] or [{"text": NO_OUTPUT}]
        return [{"toolResult": {"toolUseId": _identifier(message["tool_call_id"]), "content": content}}, *marks[-1:]]


def _identifier(call_id: str) -> str:
    """A call's id in the letters and the length that the API takes; calls that other providers made have others."""
    found = _NOT_IN_IDS.sub("_", call_id)
    return found if len(found) <= _LONGEST_ID else f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:40]}"


# ---------------------------------------------------------------- bytes


def _thoughts(part: Block, report: Report) -> Iterator[Block]:
    """Reasoning that a model of Bedrock gave before.  What bears no signature is not wished back."""
    for piece in part.get("summary") or ():
        if piece.get("type") == "summary_encrypted_text" and piece.get("data"):
            yield {"reasoningContent": {"redactedContent": piece["data"]}}
        elif piece.get("signature"):
            said = {"text": piece.get("text") or "", "signature": piece["signature"]}
            yield {"reasoningContent": {"reasoningText": said}}
        elif piece.get("text"):
            report.note("dropped", "messages.reasoning", "it takes back what it has signed, and nothing else")


def _data(url: str, path: str) -> tuple[str, str]:
    """Media type and base64 of a data URL.  BadRequest for any other URL."""
    head, comma, data = url.partition(",")
    if not url.startswith("data:"):
        raise BadRequest(f"{path}: bedrock follows no links: give the data as data:TYPE;base64,DATA, or an s3:// URL")
    if not comma or not head.endswith(";base64"):
        raise BadRequest(f"{path}: a data URL must look like data:TYPE;base64,DATA")
    return head.removeprefix("data:").partition(";")[0].lower(), data


def _in_s3(url: str) -> Block:
    return {"s3Location": {"uri": url}}


def _audio(audio: Block, path: str) -> Block:
    data, form = audio.get("data"), audio.get("format")
    if not isinstance(data, str) or not isinstance(form, str):
        raise BadRequest(f"{path}: must have data in base64 and a format")
    return {"audio": {"format": form, "source": {"bytes": data}}}


def _format_of(name: str) -> str:
    """The format that the ending of a name tells, or nothing."""
    ending = name.rpartition(".")[2].lower()
    return ending if ending in _DOCUMENTS.values() else ""


def _trim_end(blocks: list[Block]) -> None:
    """An answer that is to be continued must not end with white space: the models refuse that."""
    if "text" in blocks[-1]:
        blocks[-1] = {"text": blocks[-1]["text"].rstrip()}
