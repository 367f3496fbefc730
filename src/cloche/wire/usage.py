"""Usage in OpenAI's shape, as services write it: read, and put right where it is loose.

Must not know whose answer it stands in.
"""

from __future__ import annotations

from typing import Any

from cloche.domain.chat import Usage


def read_usage(fields: object) -> Usage | None:
    """Usage from an OpenAI-shaped object, or None where there is none or it makes no sense."""
    if not isinstance(fields, dict):
        return None
    prompt, completion = _count(fields.get("prompt_tokens")), _count(fields.get("completion_tokens") or 0)
    if prompt is None or completion is None:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=_detail(fields, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(fields, "completion_tokens_details", "reasoning_tokens"),
    )


def _detail(fields: dict[str, Any], group: str, name: str) -> int | None:
    details = fields.get(group)
    return _count(details.get(name)) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    """A number of tokens; some services' encoders write them as floats."""
    return int(value) if isinstance(value, int | float) else None


def whole_counts(usage: dict[str, Any]) -> dict[str, Any]:
    """Usage with whole numbers of tokens, as clients' types want them; costs are none."""
    broken = [name for name, value in usage.items() if type(value) is float and name.endswith("_tokens")]
    return {**usage, **{name: int(usage[name]) for name in broken}} if broken else usage
