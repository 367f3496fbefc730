"""Nova models on Bedrock's InvokeModel: Converse's JSON in all but a few fields.

Source: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html.  What is asked and answered is
Converse's; here is only what differs.  A guardrail may take the place of the model, and then leaves out its reason to
end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Raw, Struct

from cloche.codec.eventstream import Frame
from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason
from cloche.domain.translation import Report
from cloche.providers import bedrock_answer, bedrock_request
from cloche.providers.bedrock_invoke_dialect import Envelope, ErrorReader, Json, read
from cloche.providers.bedrock_models import Traits, traits

_encode = msgspec.json.Encoder().encode

SCHEMA_VERSION = "messages-v1"

_MORE = "additionalModelRequestFields"

_BY_HEADER = MappingProxyType(
    {
        "requestMetadata": "metadata",
        "serviceTier": "service_tier",
        "guardrailConfig": "guardrailConfig",
        "performanceConfig": "performanceConfig",
        "additionalModelResponseFieldPaths": "additionalModelResponseFieldPaths",
    }
)
"""What Converse takes in the body and InvokeModel does not, with the client's name for it."""

_GUARDRAIL_REASON = b'"guardrail_intervened"'


class _Counts(Struct, rename="camel"):
    """Two of the counts have other names than Converse's; behind a guardrail all may be floats."""

    input_tokens: float | None = None
    output_tokens: float | None = None
    cache_read_input_token_count: float | None = None
    cache_write_input_token_count: float | None = None


class Nova:
    """The dialect of one Nova model."""

    __slots__ = ("_traits",)

    streams = True
    finishes: Mapping[str, FinishReason | None] = bedrock_answer.FINISH

    def __init__(self, model: str) -> None:
        self._traits: Traits = traits(model, "amazon")

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body.  BadRequest for what Converse has no place for."""
        body = bedrock_request.encode(request, report, self._traits)
        for name, given in _BY_HEADER.items():
            if body.pop(name, None) is not None:
                report.note("dropped", given, "InvokeModel does not take it in the body")
        more = body.pop(_MORE, {})
        inference = {**body.pop("inferenceConfig", {}), **more.pop("inferenceConfig", {})}
        if "reasoningConfig" in more:
            inference["reasoningConfig"] = more.pop("reasoningConfig")
        settings = {"inferenceConfig": inference} if inference else {}
        return {"schemaVersion": SCHEMA_VERSION, **body, **settings, **more}

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none."""
        fields = _with_counts(read(body, dict[str, Raw]))
        if "stopReason" not in fields and read(body, Envelope).blocked:
            fields["stopReason"] = Raw(_GUARDRAIL_REASON)
        return bedrock_answer.decode(_encode(fields))

    def reader(self, error: ErrorReader) -> _NovaReader:
        """The reader of one stream."""
        return _NovaReader()


class _NovaReader:
    """Reads events that bear in their JSON what those of Converse bear in the head of their frames."""

    __slots__ = ("_converse",)

    def __init__(self) -> None:
        self._converse = bedrock_answer.ConverseDecoder(lambda frame: None)

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of an event."""
        chunks = []
        for kind, value in read(event, dict[str, Raw]).items():
            if not kind.startswith("amazon-bedrock-"):
                payload = _encode(_with_counts(read(value, dict[str, Raw]))) if kind == "metadata" else bytes(value)
                chunks += self._converse.take(Frame({":event-type": kind}, payload))
        return chunks

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the answer has not ended."""
        return self._converse.close()


def _with_counts(fields: dict[str, Raw]) -> dict[str, Raw]:
    """The fields, the usage in Converse's words."""
    if bytes(fields.get("usage", b"null")) == b"null":
        return fields
    counts = read(fields["usage"], _Counts)
    usage = {
        "inputTokens": counts.input_tokens,
        "outputTokens": counts.output_tokens,
        "cacheReadInputTokens": counts.cache_read_input_token_count,
        "cacheWriteInputTokens": counts.cache_write_input_token_count,
    }
    whole = {name: None if count is None else int(count) for name, count in usage.items()}
    return {**fields, "usage": Raw(_encode(whole))}
