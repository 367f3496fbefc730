"""A conversation as Anthropic's Messages API takes it: turns of user and assistant by turns, instructions apart.

Works on the client's own JSON, which wire/ has checked, because the canonical parts keep modelled fields only: cache
markers, citations settings and Anthropic's own kinds of parts pass as they came.  Instructions go to the front
wherever they stood, since this API has one place for them; answers of tools become blocks of the user's turn, and
neighbours of one role one turn.  Must not know models, settings or HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.message_fields import content_of
from cloche.providers.tool_arguments import arguments_of

Block = dict[str, Any]
"""A content block or a turn, as the API's JSON has it."""

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*(;base64)?,", re.ASCII)
_THOUGHTS = ("thinking", "redacted_thinking")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


class Conversation(msgspec.Struct, frozen=True):
    """`system`: text blocks of the instructions.  `turns`: never two of one role in a row."""

    system: list[Block]
    turns: list[Block]


def conversation(messages: list[Block], report: Report) -> Conversation:
    """The request's messages.  BadRequest for what this API has no place for."""
    system: list[Block] = []
    turns: list[Block] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.get("name") is not None:
            report.note("dropped", "messages.name")
        role, blocks = _turn(message, path, report)
        if role == "system":
            system += blocks
        elif turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns and system:
        # A conversation must not be empty: instructions alone are what the user says.
        turns, system = [{"role": "user", "content": system}], []
        report.note("emulated", "messages")
    elif turns:
        report.note("mapped", "messages")
    else:
        raise BadRequest("messages: anthropic needs a message that is not empty")
    if turns[-1]["role"] == "assistant":
        _trim_end(turns[-1]["content"])
    return Conversation(system, turns)


def _turn(message: Block, path: str, report: Report) -> tuple[str, list[Block]]:
    """Whose turn a message belongs to, and what it adds to that."""
    role = message["role"]
    if role == "tool":
        return "user", [_marked(_tool_result(message, path, report), message)]
    blocks = list(_blocks(content_of(message), f"{path}.content", report))
    if role == "assistant":
        thoughts = next((at for at, block in enumerate(blocks) if block["type"] not in _THOUGHTS), len(blocks))
        blocks[thoughts:thoughts] = _own(message, report)
        calls = message.get("tool_calls") or ()
        blocks += (_marked(_tool_use(call, f"{path}.tool_calls[{at}]"), call) for at, call in enumerate(calls))
    if blocks and message.get("cache_control") is not None:
        blocks[-1] = _marked(blocks[-1], message)
    return ("system" if role == "developer" else role), blocks


def _blocks(content: Any, path: str, report: Report) -> Iterator[Block]:
    """The content as blocks.  Texts of white space alone are left out: the API refuses them."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for index, part in enumerate(content or ()):
        yield from _part(part, f"{path}[{index}]", report)


def _part(part: Block, path: str, report: Report) -> Iterator[Block]:
    """One part as the API's blocks; kinds that are none of OpenAI's are Anthropic's own and pass as they are."""
    kind = part["type"]
    if kind in ("text", "refusal"):
        if part[kind].strip():
            yield _marked({"type": "text", "text": part[kind]}, part, "citations")
    elif kind == "reasoning":
        yield from _thinking(part, report)
    elif kind == "image_url":
        image = part["image_url"]
        if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
            report.note("dropped", "messages.content.image_url.detail")
        url = image["url"] if isinstance(image, dict) else image
        yield _marked({"type": "image", "source": _source(url, f"{path}.image_url")}, part)
    elif kind == "file":
        yield _marked(_document(part["file"], f"{path}.file"), part, "citations", "context")
    elif kind == "input_audio":
        raise BadRequest(f"{path}.type: anthropic does not take audio")
    else:
        yield part


def _own(message: Block, report: Report) -> list[Block]:
    """What the API's own tools did, as the answer had it: sent back, the model knows what it found, and a turn that was
    paused goes on.  What another provider kept has no type."""
    kept = message.get("provider_content")
    blocks = kept if isinstance(kept, list) else ()
    found = [block for block in blocks if isinstance(block, dict) and isinstance(block.get("type"), str)]
    if len(found) < len(blocks):
        report.note("dropped", "messages.provider_content", "of another provider")
    return found


def _marked(block: Block, given: Block, *fields: str) -> Block:
    """The block with those of Anthropic's own fields that the client gave beside it."""
    kept = {name: given[name] for name in ("cache_control", *fields) if given.get(name) is not None}
    return {**block, **kept} if kept else block


def _thinking(part: Block, report: Report) -> Iterator[Block]:
    """Reasoning that this API gave before.  What bears no signature came from elsewhere, and would be refused."""
    for piece in part.get("summary") or ():
        if piece.get("type") == "summary_encrypted_text" and piece.get("data"):
            yield {"type": "redacted_thinking", "data": piece["data"]}
        elif piece.get("signature"):
            yield {"type": "thinking", "thinking": piece.get("text") or "", "signature": piece["signature"]}
        elif piece.get("text"):
            report.note("dropped", "messages.reasoning", "it takes back what it has signed, and nothing else")


def _source(url: str, path: str) -> Block:
    """Where the bytes of an image or a document are.  BadRequest for a data URL that is no base64."""
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    found = _DATA_URL.match(url)
    if found is None or found[1] is None or found[2] is None:
        raise BadRequest(f"{path}: a data URL must look like data:TYPE;base64,DATA")
    return {"type": "base64", "media_type": found[1], "data": url[found.end() :]}


def _document(file: Block, path: str) -> Block:
    """A `file` part as a document.  BadRequest where it is neither data nor a URL."""
    data = file.get("file_data")
    if not isinstance(data, str):
        raise BadRequest(f"{path}.file_data: this field is required: anthropic has none of OpenAI's files")
    source = _source(data, f"{path}.file_data")
    if source.get("media_type") == "text/plain":
        source = {"type": "text", "media_type": "text/plain", "data": _plain_text(source["data"], path)}
    title = file.get("filename")
    return {"type": "document", "source": source} | ({"title": title} if isinstance(title, str) and title else {})


def _plain_text(data: str, path: str) -> str:
    """The text that base64 holds: of plain text the API takes no base64."""
    try:
        return msgspec.json.decode(msgspec.json.encode(data), type=bytes).decode()
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise BadRequest(f"{path}.file_data: is no base64 of UTF-8 text") from None


# ---------------------------------------------------------------- tools


def _tool_use(call: Block, path: str) -> Block:
    function = call["function"]
    return {
        "type": "tool_use",
        "id": _identifier(call["id"]),
        "name": function["name"],
        "input": arguments_of(function["arguments"], f"{path}.function.arguments", "anthropic"),
    }


def _tool_result(message: Block, path: str, report: Report) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": _identifier(message["tool_call_id"])}
    content = message.get("content")
    if isinstance(content, list):
        content = list(_blocks(content, f"{path}.content", report))
    return {**result, "content": content} if content else result


def _identifier(call_id: str) -> str:
    """A call's id in the letters that the API takes; calls that other providers made have others."""
    return _NOT_IN_IDS.sub("_", call_id)


def _trim_end(blocks: list[Block]) -> None:
    """An answer that is to be continued must not end with white space: the API refuses that."""
    if blocks[-1]["type"] != "text":
        return
    text = blocks[-1]["text"].rstrip()
    if text:
        blocks[-1] = {**blocks[-1], "text": text}
    elif len(blocks) > 1:
        blocks.pop()
