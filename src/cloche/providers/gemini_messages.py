"""The conversation in the dialect of generateContent: contents of two roles, and a system instruction beside them.

System messages go into the instruction wherever they stand.  Neighbours of one role become one content, so that the
results of parallel calls stand together, as the models demand.  Must not know tuning fields, tools or the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cloche.domain.chat import ChatRequest, ImageUrl, Message, Part, ToolCall
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.gemini_answer import split_id
from cloche.providers.message_fields import note_unheard

Json = dict[str, Any]

_KINDS = MappingProxyType(
    {
        "png": "image/png",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "gif": "image/gif",
        "heic": "image/heic",
        "heif": "image/heif",
        "pdf": "application/pdf",
        "txt": "text/plain",
        "md": "text/markdown",
        "csv": "text/csv",
        "html": "text/html",
        "mp4": "video/mp4",
        "mp3": "audio/mp3",
        "wav": "audio/wav",
    }
)
"""Media types by the ending of a name: a URL says no other."""

_CACHE_MARKER = b'"cache_control"'
"""Within a text its quotation marks would be escaped, so these bytes are a key, or a text of nothing else."""


class Conversation:
    """`contents` and `system` parts of one request.  `call_ids`: whether calls and results may bear ids."""

    __slots__ = ("_call_ids", "_names", "_report", "contents", "system")

    def __init__(self, request: ChatRequest, report: Report, *, call_ids: bool) -> None:
        self.contents: list[Json] = []
        self.system: list[Json] = []
        self._call_ids = call_ids
        self._names: dict[str, str] = {}
        self._report = report
        report.note("mapped", "messages")
        messages = request.fields.get("messages")
        if messages is not None and _CACHE_MARKER in bytes(messages):
            report.note("dropped", "messages.cache_control", "prompts are cached unasked")
        if messages is not None:
            note_unheard(messages, report)
        for index, message in enumerate(request.params.messages):
            self._add(message, f"messages[{index}]")
        if not self.contents:
            # A conversation must not be empty: instructions alone are what the user says.
            self.contents, self.system = [{"role": "user", "parts": self.system}], []

    def _add(self, message: Message, path: str) -> None:
        if message.name is not None and message.role != "tool":
            self._report.note("dropped", "messages.name")
        if message.role in ("system", "developer"):
            self.system += self._parts(message, path)
        elif message.role == "assistant":
            calls = [self._call(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(message.tool_calls or ())]
            self._append("model", [*self._parts(message, path), *calls])
        elif message.role == "tool":
            self._append("user", self._result(message, path))
        else:
            self._append("user", self._parts(message, path) or [{"text": ""}])

    def _append(self, role: str, parts: list[Json]) -> None:
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        elif parts:
            self.contents.append({"role": role, "parts": parts})

    def _parts(self, message: Message, path: str) -> list[Json]:
        if isinstance(message.content, str):
            return [{"text": message.content}] if message.content else []
        return [
            each
            for index, part in enumerate(message.content or ())
            for each in self._part(part, f"{path}.content[{index}]")
        ]

    def _part(self, part: Part, path: str) -> Iterator[Json]:
        if part.type == "text":
            if part.text:
                yield {"text": part.text}
        elif part.type == "refusal":
            yield {"text": part.refusal}
        elif part.type == "image_url":
            yield self._image(part.image_url, path)
        elif part.type == "input_audio":
            yield _audio(part.input_audio or {}, path)
        elif part.type == "file":
            yield _file(part.file or {}, f"{path}.file")
        elif part.type in ("document", "image") and part.source is not None:
            yield _source(part.source, f"{path}.source")
        elif part.type == "reasoning":
            yield from self._reasoning(part)
        else:
            raise BadRequest(f"{path}.type: this provider takes no part of type '{part.type}'")

    def _image(self, image: ImageUrl | str | None, path: str) -> Json:
        if isinstance(image, ImageUrl):
            if image.detail not in (None, "auto"):
                self._report.note("dropped", "messages.image_url.detail")
            image = image.url
        return _by_url(image or "", f"{path}.image_url")

    def _reasoning(self, part: Part) -> Iterator[Json]:
        """Thoughts go back as thoughts; their signature in an empty text behind them, as streams bring it."""
        for piece in part.summary or ():
            if piece.get("type") == "summary_encrypted_text":
                self._report.note("dropped", "messages.reasoning", "another provider's secret")
                continue
            if isinstance(piece.get("text"), str) and piece["text"]:
                yield {"text": piece["text"], "thought": True}
            if isinstance(piece.get("signature"), str):
                yield {"text": "", "thoughtSignature": piece["signature"]}

    def _call(self, call: ToolCall, path: str) -> Json:
        name = call.function.name
        self._names[call.id] = name
        call_id, signature = split_id(call.id)
        arguments = _object(call.function.arguments or "{}")
        if arguments is None:
            raise BadRequest(f"{path}.function.arguments: must be the JSON text of an object")
        said: Json = {"functionCall": self._named(name, call_id) | {"args": arguments}}
        return said if signature is None else said | {"thoughtSignature": signature}

    def _result(self, message: Message, path: str) -> list[Json]:
        given = message.tool_call_id or ""
        name = self._names.get(given) or message.name
        if name is None:
            raise BadRequest(f"{path}.tool_call_id: no message before this one calls a tool with that id")
        parts = self._parts(message, path)
        text = "".join(part["text"] for part in parts if "text" in part)
        result = _object(text)
        response = {"output": text} if result is None else result
        said = {"functionResponse": self._named(name, split_id(given)[0]) | {"response": response}}
        return [said, *(part for part in parts if "text" not in part)]

    def _named(self, name: str, call_id: str) -> Json:
        return {"id": call_id, "name": name} if self._call_ids and call_id else {"name": name}


def _object(text: str) -> Json | None:
    """The JSON object that the text is, or None."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# ---------------------------------------------------------------- media


def _by_url(url: str, path: str) -> Json:
    """A data URL's data, or a link that the provider follows."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        kind, *options = head.split(";")
        if not comma or "base64" not in options or "/" not in kind:
            raise BadRequest(f"{path}: a data URL must be data:TYPE;base64,DATA")
        return _inline(kind, data)
    try:
        ending = urlsplit(url).path.rpartition(".")[2].lower()
    except ValueError:
        raise BadRequest(f"{path}: is not a URL") from None
    if "://" not in url:
        raise BadRequest(f"{path}: must be a URL, or a data URL")
    kind = _KINDS.get(ending, "")
    return {"fileData": {"mimeType": kind, "fileUri": url} if kind else {"fileUri": url}}


def _inline(kind: str, data: str) -> Json:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _audio(audio: Json, path: str) -> Json:
    data, form = audio.get("data"), audio.get("format")
    if not isinstance(data, str) or not isinstance(form, str):
        raise BadRequest(f"{path}.input_audio: data and format are required")
    return _inline(f"audio/{form}", data)


def _file(file: Json, path: str) -> Json:
    """OpenAI's file part: a data URL, bare base64 with a name that tells its type, or the URI of an uploaded file."""
    data, name, uri = (file.get(field) for field in ("file_data", "filename", "file_id"))
    if isinstance(data, str):
        if data.startswith("data:"):
            return _by_url(data, f"{path}.file_data")
        ending = name.rpartition(".")[2].lower() if isinstance(name, str) else ""
        if ending not in _KINDS:
            raise BadRequest(f"{path}.file_data: must be a data URL, or come with a filename whose ending is known")
        return _inline(_KINDS[ending], data)
    if isinstance(uri, str):
        return _by_url(uri, f"{path}.file_id")
    raise BadRequest(f"{path}: give file_data, or the URI of an uploaded file as file_id")


def _source(source: Json, path: str) -> Json:
    """The source of a document or image in the shape of Anthropic's API."""
    kind, data, media = source.get("type"), source.get("data"), source.get("media_type")
    if kind == "base64" and isinstance(data, str) and isinstance(media, str):
        return _inline(media, data)
    if kind == "text" and isinstance(data, str):
        return {"text": data}
    if kind == "url" and isinstance(source.get("url"), str):
        return _by_url(source["url"], f"{path}.url")
    raise BadRequest(f"{path}: must be of type base64 with media_type and data, text with data, or url with url")


def schema_instruction(schema: Json | None) -> str:
    """What a model is told that must answer in JSON and cannot be held to it."""
    if schema is None:
        return "Answer with one JSON object and nothing else."
    return f"Answer with nothing but JSON that fits this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"
