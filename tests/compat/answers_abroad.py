"""Answers of each kind in each provider's dialect, whole and as a stream, served on loopback.

Shaped after real recorded ones.  The path names the provider, the last word of the request the kind of answer.  Must
not know cloche.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .answers_of_clouds import bedrock_model, converse, vertex_model

Json = dict[str, Any]

TEXT = "Grüezi \U0001f30d! Bern is nice."
CITED = "Bern is nice."
URL = "https://facts.test/bern"
ARGUMENTS = {"city": "Bern"}
THOUGHT = "Let me think."
KINDS = ("text", "tools", "refusal", "logprobs", "sources", "reasoning")
START, END = TEXT.index(CITED), len(TEXT)


def server_sent(*events: Json) -> bytes:
    """Events as a stream."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


# ---------------------------------------------------------------- anthropic

_A_USAGE = {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 0}
_FOUND = {"type": "web_search_result_location", "url": URL, "title": "Bern", "cited_text": CITED}
_BLOCKS: dict[str, tuple[str, list[Json]]] = {
    "text": ("end_turn", [{"type": "text", "text": TEXT}]),
    "tools": ("tool_use", [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": ARGUMENTS}]),
    "refusal": ("refusal", []),
    "logprobs": ("end_turn", [{"type": "text", "text": TEXT}]),
    "sources": (
        "end_turn",
        [
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Bern"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": URL, "title": "Bern"}]},
            {"type": "text", "text": TEXT[:START]},
            {"type": "text", "text": CITED, "citations": [_FOUND]},
        ],
    ),
    "reasoning": (
        "end_turn",
        [{"type": "thinking", "thinking": THOUGHT, "signature": "sig"}, {"type": "text", "text": TEXT}],
    ),
}
_OPENED: Json = {"text": "", "thinking": "", "signature": "", "citations": []}


def anthropic(kind: str, *, stream: bool) -> bytes:
    """Of the Messages API."""
    stop_reason, blocks = _BLOCKS[kind]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    if not stream:
        return json.dumps({**head, "content": blocks, "stop_reason": stop_reason, "usage": _A_USAGE}).encode()
    events: list[Json] = [{"type": "message_start", "message": {**head, "content": [], "usage": _A_USAGE}}]
    for index, block in enumerate(blocks):
        opened = {name: _OPENED.get(name, value) for name, value in block.items() if name != "input"}
        events.append({"type": "content_block_start", "index": index, "content_block": opened})
        for delta in _deltas(block):
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 7}})
    return server_sent(*events, {"type": "message_stop"})


def _deltas(block: Json) -> list[Json]:
    found = [{"type": "citations_delta", "citation": cited} for cited in block.get("citations", ())]
    for name in ("text", "thinking", "signature"):
        if name in block:
            found.append({"type": f"{name}_delta", name: block[name]})
    if "input" in block:
        found.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
    return found


# ---------------------------------------------------------------- cohere

_TOKENS = {"input_tokens": 11, "output_tokens": 7}
_FINISH = {"tools": "TOOL_CALL", "refusal": "ERROR_TOXIC"}
_LOGPROB = {"token_ids": [1], "text": TEXT, "logprobs": [-0.5]}
_DOCUMENT = {"id": "doc:0", "url": URL, "title": "Bern", "snippet": CITED}
_STRETCH = {"start": START, "end": END, "text": CITED}


def cohere(kind: str, *, stream: bool) -> bytes:
    """Of version 2 of the chat API."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}
    sources = [{"type": "document", "id": "doc:0", "document": _DOCUMENT}]
    cited = [{**_STRETCH, "type": "TEXT_CONTENT", "sources": sources}] if kind == "sources" else []
    content: list[Json] = [] if kind in ("tools", "refusal") else [{"type": "text", "text": TEXT}]
    if kind == "reasoning":
        cited = []
        content.insert(0, {"type": "thinking", "thinking": THOUGHT})
    calls = [call] if kind == "tools" else []
    logprobs = [_LOGPROB] if kind == "logprobs" else None
    end: Json = {"finish_reason": _FINISH.get(kind, "COMPLETE"), "usage": {"tokens": _TOKENS}}
    if not stream:
        message = {"role": "assistant", "content": content, "tool_calls": calls, "citations": cited}
        return json.dumps({"id": "c", "message": message, "logprobs": logprobs, **end}).encode()
    events = [_delta("message-start", 0, role="assistant")]
    for index, block in enumerate(content):
        events.append(_delta("content-start", index, content={"type": block["type"], block["type"]: ""}))
        spoken = _delta("content-delta", index, content={block["type"]: block[block["type"]]})
        events += [spoken | ({"logprobs": _LOGPROB} if logprobs else {}), {"type": "content-end", "index": index}]
    events += [_delta("citation-start", index, citations=each) for index, each in enumerate(cited)]
    events += [_delta("tool-call-start", index, tool_calls=each) for index, each in enumerate(calls)]
    return server_sent(*events, {"type": "message-end", "delta": end})


def _delta(kind: str, index: int, **message: Any) -> Json:
    return {"type": kind, "index": index, "delta": {"message": message}}


def cohere_v1(kind: str, *, stream: bool) -> bytes:
    """Of version 1, whose stream has an event on each line."""
    calls = [{"name": "weather", "parameters": ARGUMENTS}] if kind == "tools" else []
    whole: Json = {
        "text": "" if kind in ("tools", "refusal") else TEXT,
        "generation_id": "g",
        "tool_calls": calls,
        "finish_reason": "ERROR_TOXIC" if kind == "refusal" else "COMPLETE",
        "meta": {"tokens": _TOKENS},
    }
    if kind == "sources":
        whole |= {"citations": [{**_STRETCH, "document_ids": ["doc:0"]}], "documents": [_DOCUMENT]}
    if not stream:
        return json.dumps(whole).encode()
    events: list[Json] = [{"event_type": "stream-start", "generation_id": "g"}]
    events += [{"event_type": "text-generation", "text": each} for each in whole["text"].partition(" ")]
    events += [{"event_type": "tool-calls-generation", "tool_calls": calls}] if calls else []
    events.append({"event_type": "stream-end", "finish_reason": whole["finish_reason"], "response": whole})
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


# ---------------------------------------------------------------- gemini

_G_USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
_PARTS: dict[str, list[Json]] = {
    "tools": [{"functionCall": {"name": "weather", "args": ARGUMENTS}}],
    "refusal": [],
    "sources": [{"executableCode": {"language": "PYTHON", "code": "1"}}, {"text": TEXT}],
    "reasoning": [{"text": THOUGHT, "thought": True}, {"text": TEXT}],
}
_TOKEN = {"token": TEXT, "logProbability": -0.5}
_SEGMENT = {"startIndex": len(TEXT[:START].encode()), "endIndex": len(TEXT.encode()), "text": CITED}
_ENDS: dict[str, Json] = {
    "refusal": {"finishReason": "SAFETY"},
    "logprobs": {"logprobsResult": {"chosenCandidates": [_TOKEN], "topCandidates": [{"candidates": [_TOKEN]}]}},
    "sources": {
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": URL, "title": "Bern"}}],
            "groundingSupports": [{"segment": _SEGMENT, "groundingChunkIndices": [0]}],
        }
    },
}


def gemini(kind: str, *, stream: bool) -> bytes:
    """Of generateContent."""
    end = {"finishReason": "STOP", **_ENDS.get(kind, {})}
    pieces = [[part] for part in _PARTS.get(kind, [{"text": TEXT}])] or [[]]
    answers: list[Json] = [
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}}]} for parts in pieces
    ]
    if not stream:
        [candidate] = answers[0]["candidates"]
        candidate |= {"content": {"role": "model", "parts": [part for parts in pieces for part in parts]}}
        answers = answers[:1]
    answers[-1]["candidates"][0] |= end
    answers[-1]["usageMetadata"] = _G_USAGE
    return server_sent(*answers) if stream else json.dumps(answers[0]).encode()


# ---------------------------------------------------------------- bedrock

_THINKING = {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": "sig"}}}
_CONVERSED: dict[str, tuple[list[Json], str]] = {
    "tools": ([{"toolUse": {"toolUseId": "t1", "name": "weather", "input": ARGUMENTS}}], "tool_use"),
    "refusal": ([], "content_filtered"),
    "reasoning": ([_THINKING, {"text": TEXT}], "end_turn"),
}


def bedrock(kind: str, *, stream: bool) -> bytes:
    """Of Converse."""
    return converse(*_CONVERSED.get(kind, ([{"text": TEXT}], "end_turn")), stream=stream)


# ---------------------------------------------------------------- the server

DIALECTS = {
    "anthropic": anthropic,
    "bedrock": bedrock,
    "cohere": cohere,
    "cohere-v1": cohere_v1,
    "gemini": gemini,
    "vertex-claude": anthropic,
    "vertex-gemini": gemini,
}


class Answers(ThreadingHTTPServer):
    """Listens on a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    def endpoints(self) -> list[Json]:
        """An endpoint for each dialect, named after it, in the shape of the control API."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        models = {name: _model(name, f"{url}/{name}") for name in ("anthropic", "cohere")}
        models |= {name: _model(name, f"{url}/{name}/v1") for name in ("cohere-v1", "gemini")}
        models |= {
            "bedrock": bedrock_model(f"{url}/bedrock"),
            "vertex-claude": vertex_model("claude-sonnet-4-5", f"{url}/vertex-claude", f"{url}/token"),
            "vertex-gemini": vertex_model("gemini-2.5-flash", f"{url}/vertex-gemini", f"{url}/token"),
        }
        return [
            {"name": name, "config": {"served_entities": [{"external_model": {"task": "llm/v1/chat", **model}}]}}
            for name, model in models.items()
        ]


def _model(name: str, base: str) -> Json:
    provider = name.partition("-")[0]
    settings = {f"{provider}_api_key_plaintext": "sk-fake", f"{provider}_api_base": base}
    return {"name": "m", "provider": provider, f"{provider}_config": settings}


class _Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer in the dialect of the path, with the kind that the request names."""
        raw = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.path == "/token":
            self._send(b'{"access_token": "ya29.fake", "expires_in": 3600}', "application/json")
            return
        kind = next(kind for kind in KINDS if f"please {kind}" in raw)
        stream = bool(json.loads(raw).get("stream")) or "stream" in self.path
        name = self.path.split("/")[1]
        streamed = "application/vnd.amazon.eventstream" if name == "bedrock" else "text/event-stream"
        self._send(DIALECTS[name](kind, stream=stream), streamed if stream else "application/json")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
