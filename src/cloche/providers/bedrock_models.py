"""What the makers of models on Bedrock take beside the fields that Converse has for all, and what their models can do.

The API refuses with 400 what a model does not take, so that has to be known before it is asked.  The maker is told by
the settings, since the id of an inference profile may say nothing; a model is told by its id where it says something.
What Claude models take is known in anthropic_models.py.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Literal, NamedTuple

from cloche.providers.anthropic_models import abilities

Reasoning = Literal["claude", "nova", "effort", "config"]
"""How a model is told to reason: as by Anthropic's own API; by `reasoningConfig`; by `reasoning_effort`; by
`reasoning_config`."""


class Maker(NamedTuple):
    """`top_k`: the path of that field in additionalModelRequestFields; empty: there is none.  `forces`: the choices of
    tools that are taken.  `caches`: where a cache point may stand.  `sampling`: further fields, by our names.  `lacks`:
    the kinds of content that none of the maker's models takes."""

    top_k: tuple[str, ...] = ()
    forces: frozenset[str] = frozenset()
    caches: frozenset[str] = frozenset()
    sampling: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()


_OPEN_WEIGHTS = Maker()
_FORCES = frozenset(("any", "tool"))
_DEAF = frozenset(("audio",))
_BLIND = frozenset(("audio", "image"))

MAKERS = MappingProxyType(
    {
        "ai21labs": Maker(sampling=("presence_penalty", "frequency_penalty"), lacks=_BLIND),
        "amazon": Maker(("inferenceConfig", "topK"), _FORCES, frozenset(("system", "messages"))),
        "anthropic": Maker(("top_k",), _FORCES, frozenset(("system", "messages", "tools")), lacks=_DEAF),
        "cohere": Maker(("k",), sampling=("seed", "presence_penalty", "frequency_penalty"), lacks=_BLIND),
        "deepseek": _OPEN_WEIGHTS,
        "google": _OPEN_WEIGHTS,
        "meta": Maker(lacks=_DEAF),
        "minimax": _OPEN_WEIGHTS,
        "mistral": Maker(("top_k",), frozenset(("any",))),
        "moonshot": _OPEN_WEIGHTS,
        "nvidia": _OPEN_WEIGHTS,
        "openai": _OPEN_WEIGHTS,
        "qwen": _OPEN_WEIGHTS,
        "writer": _OPEN_WEIGHTS,
        "zai": _OPEN_WEIGHTS,
    }
)
"""By `bedrock_provider`.  The API of Databricks knows four of them; the others are cloche's own."""

_HELD_TO_SCHEMAS = re.compile(
    "qwen3|deepseek.v3|gpt-oss|gemma-3|minimax-m2|magistral|ministral|mistral-large-3|voxtral|kimi-k2|nemotron"
)
"""Models of open weights that AWS lists as able to bind their answers and calls to a JSON schema."""

_CLAUDE_WITHOUT = re.compile(r"claude-opus-4-1|claude-(?:opus|sonnet)-4-2025")
"""Claude models that can by Anthropic's own API, and cannot on Bedrock."""

_LACKING = ((re.compile("nova-micro"), _BLIND), (re.compile("nova-(lite|pro|premier)|nova-2-lite"), _DEAF))
"""Models that lack more than their makers' others do: of Nova, Omni and Sonic alone hear."""

_REASONING: tuple[tuple[re.Pattern[str], Reasoning], ...] = (
    (re.compile("nova-2"), "nova"),
    (re.compile("gpt-oss"), "effort"),
    (re.compile("qwen3|deepseek.v3"), "config"),
)


class Traits(NamedTuple):
    """One model.  `schemas`: its answers and calls can be bound to a JSON schema.  `reasoning`: None where it cannot be
    told to."""

    name: str
    maker: Maker
    claude: bool
    schemas: bool
    reasoning: Reasoning | None


def traits(model: str, maker: str) -> Traits:
    """What is known of a model.  `maker`: a key of MAKERS."""
    claude = maker == "anthropic"
    if claude:
        schemas = abilities(model).schemas and not _CLAUDE_WITHOUT.search(model)
        return Traits(model, MAKERS[maker], claude, schemas, "claude")
    lacks = next((kinds for pattern, kinds in _LACKING if pattern.search(model)), MAKERS[maker].lacks)
    reasoning = next((how for pattern, how in _REASONING if pattern.search(model)), None)
    return Traits(model, MAKERS[maker]._replace(lacks=lacks), claude, bool(_HELD_TO_SCHEMAS.search(model)), reasoning)
