"""The gateway rules of an endpoint, in the shapes and words of the API: what is allowed, tried again and kept.

Must not know how any of it is done.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloche.domain.money import Price, Rates, nanos
from cloche.domain.payload import TableName, payload_table

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""A number that JSON carries without loss."""

Seconds = Annotated[float, Meta(ge=0.1, le=86_400)]


class UsageTracking(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Whether calls are counted in the usage tables."""

    enabled: bool | None = None


class InferenceTable(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Where payloads are logged."""

    catalog_name: str | None = None
    schema_name: str | None = None
    table_name_prefix: str | None = None
    enabled: bool | None = None


class RateLimit(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How many calls or tokens a minute; of everybody together, of each user, or of the named principal."""

    renewal_period: Literal["minute"]
    calls: Count | None = None
    tokens: Count | None = None
    key: Literal["user", "endpoint", "user_group", "service_principal"] | None = None
    principal: str | None = None


class Pii(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What happens to personal data.  `judged`: cloche's own, whether the judge looks for it besides the patterns."""

    behavior: Literal["NONE", "BLOCK", "MASK"] | None = None
    judged: bool | None = None


class GuardrailParameters(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What is looked for on one side of a call.  `prompt_injection`: cloche's own, in what is asked."""

    pii: Pii | None = None
    safety: bool | None = None
    invalid_keywords: list[str] | None = None
    valid_topics: list[str] | None = None
    prompt_injection: bool | None = None


class Judge(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The endpoint that says what is safe, on topic and personal data; cloche's own.  `format`: how it is asked and
    answers.  `on_failure`: what happens where it gives no verdict in time."""

    endpoint_name: str
    timeout_seconds: Annotated[float, Meta(ge=0.1, le=120)] = 10.0
    on_failure: Literal["block", "allow"] = "block"
    format: Literal["json", "llama_guard"] = "json"


class Guardrails(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What is looked for in requests and answers.  `judge`: None: lists of words do what they can."""

    input: GuardrailParameters | None = None
    output: GuardrailParameters | None = None
    judge: Judge | None = None


class Fallback(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Whether other entities are tried when one fails."""

    enabled: bool


class Retries(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How often an entity is asked again before another is.  `backoff_seconds`: before the first time; it doubles."""

    max_retries: Annotated[int, Meta(ge=0, le=5)]
    backoff_seconds: Annotated[float, Meta(ge=0.01, le=30)] = 0.5


class TimeLimits(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The four time-outs of calls to this endpoint, where they are not the server's.  `total_seconds`: of the call with
    all its attempts."""

    connect_seconds: Seconds | None = None
    first_byte_seconds: Seconds | None = None
    between_bytes_seconds: Seconds | None = None
    total_seconds: Seconds | None = None


class CircuitBreaker(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """When an entity that fails is left alone: of the last `window_seconds`, at least `min_calls` calls and
    `error_percentage` of them failed.  After `open_seconds` one call tries whether it is well again."""

    enabled: bool
    error_percentage: Annotated[int, Meta(ge=1, le=100)] = 50
    min_calls: Annotated[int, Meta(ge=1, le=10_000)] = 10
    window_seconds: Seconds = 30.0
    open_seconds: Seconds = 30.0


class Concurrency(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How many calls each entity works on at once, and how many wait for it, how long."""

    max_calls: Annotated[int, Meta(ge=1, le=100_000)]
    queue_limit: Annotated[int, Meta(ge=0, le=100_000)] = 100
    queue_seconds: Seconds = 30.0


class Hedging(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """After how long another entity is asked too, because the first has sent nothing yet."""

    delay_seconds: Annotated[float, Meta(ge=0.01, le=600)]


class Routing(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How the first entity of a call is chosen among those that have a share of the traffic.

    `sticky_by`: what the calls have in common that go to the same entity as long as the shares stay.
    """

    strategy: Literal["traffic", "least_busy", "latency"] = "traffic"
    sticky_by: Literal["user", "conversation"] | None = None


class ResponseCache(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Whether whole answers are kept for whoever asks exactly the same again.  `max_entries`: at once, on each host.
    `shared`: also for other callers."""

    enabled: bool
    ttl_seconds: Annotated[int, Meta(ge=1, le=30 * 86_400)] = 3600
    max_entries: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    shared: bool = False


class Coalescing(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Whether the same, asked by the same caller while it is being answered, is asked once."""

    enabled: bool


Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]


class EntityPrice(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a million tokens of a served entity cost, in place of what cloche knows.

    Tokens of the prompt that were read from a cache, or written into one, cost what all others do where nothing else is
    said.
    """

    served_entity_name: str
    input_per_million: Dollars
    output_per_million: Dollars
    cached_input_per_million: Dollars | None = None
    cache_write_input_per_million: Dollars | None = None
    currency: Literal["USD"] = "USD"

    @property
    def price(self) -> Price:
        """As it is reckoned with."""
        cached, written = self.cached_input_per_million, self.cache_write_input_per_million
        return Price(
            Rates(
                nanos(self.input_per_million),
                nanos(self.output_per_million),
                None if cached is None else nanos(cached),
                None if written is None else nanos(written),
            )
        )


class AiGateway(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The gateway rules: PUT …/ai-gateway takes all of them, and those that are not given end.

    From `retry_config` on they are cloche's own.
    """

    usage_tracking_config: UsageTracking | None = None
    inference_table_config: InferenceTable | None = None
    rate_limits: list[RateLimit] | None = None
    guardrails: Guardrails | None = None
    fallback_config: Fallback | None = None
    retry_config: Retries | None = None
    timeout_config: TimeLimits | None = None
    circuit_breaker_config: CircuitBreaker | None = None
    concurrency_config: Concurrency | None = None
    hedging_config: Hedging | None = None
    routing_config: Routing | None = None
    cache_config: ResponseCache | None = None
    coalescing_config: Coalescing | None = None
    prices: list[EntityPrice] | None = None

    def price_of(self, entity: str) -> Price | None:
        """What is said of a served entity; None: nothing."""
        said = (each.price for each in self.prices or () if each.served_entity_name == entity)
        return next(said, None)

    @property
    def falls_back(self) -> bool:
        """Whether other entities are tried when one fails."""
        return self.fallback_config is not None and self.fallback_config.enabled

    @property
    def caches(self) -> bool:
        """Whether answers are kept for the next who asks the same."""
        return self.cache_config is not None and self.cache_config.enabled

    @property
    def coalesces(self) -> bool:
        """Whether what is asked twice at once is asked once."""
        return self.coalescing_config is not None and self.coalescing_config.enabled

    @property
    def tracks_usage(self) -> bool:
        """Whether its calls are counted in the usage tables."""
        return self.usage_tracking_config is not None and bool(self.usage_tracking_config.enabled)

    @property
    def logs_payloads(self) -> bool:
        """Whether requests and answers are kept in an inference table."""
        return self.inference_table_config is not None and bool(self.inference_table_config.enabled)

    def payload_table(self, endpoint: str) -> TableName | None:
        """That table, of an endpoint of this name; None if there is none."""
        given = self.inference_table_config
        if given is None or not given.enabled:
            return None
        prefix = given.table_name_prefix or endpoint
        return payload_table(given.catalog_name or "", given.schema_name or "", prefix)
