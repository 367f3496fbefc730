"""Writes src/cloche/providers/prices.json from the data of PyPI's genai-prices: `make prices`.

It runs in an environment of its own: genai-prices needs pydantic and an HTTP client, and cloche needs its data alone.
What has a price by time of day has its dearest; what is paid by the call, the hour or the page is left out, so that
its price is unknown rather than wrong.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src" / "cloche" / "providers" / "prices.json"

PROVIDERS = {
    "amazon-bedrock": "aws",
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "databricks-model-serving": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "xai": "x-ai",
}
"""cloche's name of a provider to that of genai-prices.  Vertex AI has Gemini's."""

FIELDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
NOT_BY_TOKEN = ("requests_kcount", "input_mchars", "audio_hours", "input_audio_hours")


def main() -> None:
    """Write the file."""
    snapshot = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    found = {each.id: each for each in snapshot.providers}
    models = {ours: list(_models(found[theirs])) for ours, theirs in PROVIDERS.items()}
    told = {
        "source": "genai-prices, https://github.com/pydantic/genai-prices",
        "version": importlib.metadata.version("genai-prices"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "licence": "MIT, Copyright (c) 2025 to present Pydantic Services Inc. and individual contributors",
    }
    heads = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in told.items()]
    groups = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(each, separators=(",", ":")) for each in rows) + "\n]"
        for name, rows in models.items()
    ]
    TARGET.write_text("{\n" + ",\n".join(heads) + ',\n"providers": {\n' + ",\n".join(groups) + "\n}\n}\n")


def _models(provider: Any) -> Any:
    for model in provider.models:
        prices = _in_force(model.prices)
        paid_otherwise = any(getattr(prices, name, None) is not None for name in NOT_BY_TOKEN)
        if paid_otherwise or getattr(prices, "input_mtok", None) is None:
            continue
        row = {"match": _clause(model.match), "price": _rates(prices, None)}
        starts = {tier.start for name in FIELDS for tier in getattr(getattr(prices, name, None), "tiers", ())}
        if starts:
            row["tiers"] = [[start, *_rates(prices, start)] for start in sorted(starts)]
        yield row


def _in_force(prices: Any) -> Any:
    """Those of today; of several times of a day the dearest."""
    if not isinstance(prices, list):
        return prices
    today = datetime.now(UTC).date()
    kept = []
    for each in prices:
        start = getattr(each.constraint, "start_date", None)
        if start is not None and start > today:
            continue
        if start is not None or each.constraint is None:
            kept = []
        kept.append(each.prices)
    return max(kept, key=lambda each: _at(getattr(each, "input_mtok", None) or 0, None))


def _rates(prices: Any, start: int | None) -> list[int | None]:
    """Billionths of a dollar for a million tokens of each field, above a number of tokens."""
    rates = []
    for name in FIELDS:
        given = getattr(prices, name, None)
        rates.append(None if given is None else int(_at(given, start) * 10**9))
    return [rates[0], rates[1] or 0, *rates[2:]]


def _at(given: Any, start: int | None) -> Decimal:
    if not hasattr(given, "tiers"):
        return Decimal(given)
    found: Decimal = given.base
    for tier in given.tiers:
        if start is not None and tier.start <= start:
            found = tier.price
    return found


def _clause(clause: Any) -> dict[str, Any]:
    [(name, value)] = vars(clause).items()
    return {name.rstrip("_"): [_clause(each) for each in value] if isinstance(value, list) else value}


if __name__ == "__main__":
    main()
