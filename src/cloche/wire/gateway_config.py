"""The gateway rules of an endpoint, read: what of them types cannot say.

Their shapes are in domain/ai_gateway.py; they are kept and shown as they were given.  Must not know endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from cloche.codec.json_faults import WHOLE, Faults, below, faults
from cloche.domain.ai_gateway import (
    AiGateway,
    EntityPrice,
    GuardrailParameters,
    Guardrails,
    InferenceTable,
    Judge,
    Pii,
    RateLimit,
)
from cloche.domain.errors import InvalidFields
from cloche.domain.payload import is_name

MAX_RATE_LIMITS = 20
MAX_GROUP_LIMITS = 5
MAX_KEYWORDS = 1000
MAX_KEYWORD = 200
MAX_TOPICS = 100


class RateLimitsInput(Struct, forbid_unknown_fields=True):
    """PUT …/rate-limits, the older way to set limits on calls."""

    rate_limits: list[RateLimit] | None = None


def read_ai_gateway(body: Any, before: dict[str, Any] | None) -> dict[str, Any]:
    """The rules in a decoded body, as they are kept.  `before`: those in force.  Raises InvalidFields."""
    found = faults(body, AiGateway) or gateway_faults(body, "", before)
    _refuse(found)
    rules: dict[str, Any] = kept_rules(body)
    return rules


def kept_rules(given: Any) -> Any:
    """Rules without fault as they are kept: what was given, also where it is what would hold without it."""
    if isinstance(given, dict):
        return {name: kept_rules(value) for name, value in given.items() if value is not None}
    return [kept_rules(each) for each in given] if isinstance(given, list) else given


def read_rate_limits(body: Any) -> list[dict[str, Any]]:
    """The limits in a decoded body of PUT …/rate-limits, as they are kept.  Raises InvalidFields."""
    found = faults(body, RateLimitsInput) or limit_faults(body.get("rate_limits"), "rate_limits")
    _refuse(found)
    limits = msgspec.convert(body, RateLimitsInput).rate_limits or []
    return [_kept(each) for each in limits]


def check_side(rules: GuardrailParameters, side: str, judge: Judge | None) -> None:
    """See that rules of a side that are only tried, in a body's `guardrails`, could be kept.  Raises InvalidFields."""
    _refuse(list(_side_faults(rules, side, judge, "guardrails")))


def gateway_faults(value: Any, path: str, before: dict[str, Any] | None = None) -> Faults:
    """What types cannot say of rules; nothing of rules whose types are wrong."""
    if value is None or faults(value, AiGateway):
        return []
    rules = msgspec.convert(value, AiGateway)
    found = [] if rules.rate_limits is None else limit_faults(value["rate_limits"], below(path, "rate_limits"))
    found.extend(_guardrail_faults(rules.guardrails, below(path, "guardrails")))
    found.extend(_price_faults(rules.prices or [], below(path, "prices")))
    found.extend(_table_faults(rules.inference_table_config, below(path, "inference_table_config"), before))
    return found


def limit_faults(value: Any, path: str) -> Faults:
    """What types cannot say of rate limits; nothing of limits whose types are wrong."""
    if value is None or faults(value, list[RateLimit]):
        return []
    limits = msgspec.convert(value, list[RateLimit])
    found = [fault for index, limit in enumerate(limits) for fault in _limit(limit, f"{path}[{index}]")]
    groups = sum(limit.key == "user_group" for limit in limits)
    if len(limits) > MAX_RATE_LIMITS:
        found.append((path, f"there may be at most {MAX_RATE_LIMITS} limits, not {len(limits)}"))
    if groups > MAX_GROUP_LIMITS:
        found.append((path, f"there may be at most {MAX_GROUP_LIMITS} limits of groups, not {groups}"))
    return found


def _refuse(found: Faults) -> None:
    if found:
        raise InvalidFields((path or WHOLE, what) for path, what in found)


def _limit(limit: RateLimit, path: str) -> Iterator[tuple[str, str]]:
    if limit.calls is None and limit.tokens is None:
        yield below(path, "calls"), "give calls or tokens"
    if limit.key in ("user_group", "service_principal") and not limit.principal:
        yield below(path, "principal"), f"this field is required with the key '{limit.key}'"
    if limit.key in ("endpoint", None) and limit.principal:
        yield below(path, "principal"), "does not belong to the key 'endpoint'"


def _guardrail_faults(guardrails: Guardrails | None, path: str) -> Iterator[tuple[str, str]]:
    for side in ("input", "output"):
        rules: GuardrailParameters | None = getattr(guardrails, side, None)
        if guardrails is not None and rules is not None:
            yield from _side_faults(rules, side, guardrails.judge, f"{path}.{side}")


def _side_faults(rules: GuardrailParameters, side: str, judge: Judge | None, path: str) -> Iterator[tuple[str, str]]:
    """A guardrail that is kept and does nothing would be relied upon."""
    yield from _keyword_faults(rules.invalid_keywords or [], f"{path}.invalid_keywords")
    topics = rules.valid_topics or []
    if len(topics) > MAX_TOPICS:
        yield f"{path}.valid_topics", f"there may be at most {MAX_TOPICS} topics, not {len(topics)}"
    yield from _phrase_faults(topics[:MAX_TOPICS], f"{path}.valid_topics", "is empty, and nothing would be about it")
    if topics and judge is not None and judge.format == "llama_guard":
        yield f"{path}.valid_topics", "a judge of the format 'llama_guard' tells no topics: name one of another format"
    if rules.pii is not None and rules.pii.judged:
        yield from _judged_faults(rules.pii, judge, f"{path}.pii")
    if rules.prompt_injection and side == "output":
        yield f"{path}.prompt_injection", "it is looked for in what is asked: set it in input"


def _judged_faults(pii: Pii, judge: Judge | None, path: str) -> Iterator[tuple[str, str]]:
    if judge is None:
        yield f"{path}.judged", "no judge is named: name one in guardrails.judge"
    elif judge.format == "llama_guard":
        yield f"{path}.judged", "a judge of the format 'llama_guard' finds no personal data: name one of another format"
    if pii.behavior not in ("MASK", "BLOCK"):
        yield f"{path}.behavior", "say what happens to what the judge finds: MASK or BLOCK"


def _keyword_faults(keywords: list[str], path: str) -> Iterator[tuple[str, str]]:
    """What is looked for in streams takes memory that grows with the square of a keyword's length."""
    if len(keywords) > MAX_KEYWORDS:
        yield path, f"there may be at most {MAX_KEYWORDS} keywords, not {len(keywords)}"
    yield from _phrase_faults(keywords[:MAX_KEYWORDS], path, "is empty, and would forbid nothing")


def _phrase_faults(phrases: list[str], path: str, empty: str) -> Iterator[tuple[str, str]]:
    for index, phrase in enumerate(phrases):
        if not phrase.strip():
            yield f"{path}[{index}]", empty
        elif len(phrase) > MAX_KEYWORD:
            yield f"{path}[{index}]", f"may have at most {MAX_KEYWORD} characters, not {len(phrase)}"


def _price_faults(prices: list[EntityPrice], path: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for index, each in enumerate(prices):
        if each.served_entity_name in seen:
            yield f"{path}[{index}].served_entity_name", f"'{each.served_entity_name}' has a price already"
        seen.add(each.served_entity_name)


def _table_faults(table: InferenceTable | None, path: str, before: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if table is None or not table.enabled:
        return
    for name in ("catalog_name", "schema_name"):
        if not getattr(table, name):
            yield below(path, name), "this field is required where the table is enabled"
    for name in ("catalog_name", "schema_name", "table_name_prefix"):
        if getattr(table, name) and not is_name(getattr(table, name)):
            yield below(path, name), "must be letters, digits, _ and -, up to 100: it becomes a folder's name"
    was = (before or {}).get("inference_table_config", {})
    for name in ("catalog_name", "schema_name", "table_name_prefix"):
        if was.get("enabled") and was.get(name) != getattr(table, name):
            yield below(path, name), "can be changed only after the table was disabled"


def _kept(value: Struct) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(value)
    return kept
