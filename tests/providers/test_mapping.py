"""What is told of providers is found out by asking them, and they tell of everything."""

from __future__ import annotations

import json

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import CallerFault
from cloche.domain.translation import Report
from cloche.providers import mapping
from cloche.providers.base import Foreign
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.mapping import CASES, bound
from cloche.providers.profile import settings_of
from cloche.wire.openai import read_chat

EXAMPLES = {
    f"{name} {label}": model for name, kind in PROVIDERS.items() for label, model in kind.profile.examples.items()
}


@pytest.mark.parametrize("model", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_no_field_is_lost_in_silence(model: ExternalModel) -> None:
    """Whatever a dialect of its own does with a field, the report has it, unless the call is refused."""
    translator = bound(model)
    if not isinstance(translator, Foreign):
        return
    untold = []
    for name, case in CASES.items():
        [field] = case.fields
        report = Report()
        body = json.dumps({**CASES["`messages`"].fields, **case.beside, **case.fields}).encode()
        try:
            translator.encode(read_chat(body), report, stream=False)
        except CallerFault:
            continue
        told = {each.partition(".")[0] for fields in report.fates().values() for each in fields}
        if field not in told and mapping.outcome(translator, case).word not in ("kept", "emulated"):
            untold.append(name)
    assert [name for name in untold if not name.startswith("`messages`")] == []


def test_outcomes_are_those_of_the_translators() -> None:
    """The worst of several fates counts, with its reason; what one example does is not said of another."""
    told = mapping.mapping(PROVIDERS["anthropic"].profile.examples)
    old, new = "claude-haiku-4-5", "claude-opus-4-7"
    assert told["`temperature` above 1"][old] == ("clamped", "at most 1")
    assert told["`temperature`"][old].word == "passed"
    assert told["`temperature`"][new].word == "dropped"
    assert told["`messages`: `name`"][old].word == "dropped"
    assert told["`n`"][old].told == "emulated: a call for each choice"
    assert told["`messages`: audio"][old] == ("refused", "anthropic does not take audio")
    [same] = mapping.columns({"a": {"x": told["`n`"][old], "y": told["`n`"][new]}}).values()
    assert same == ["x", "y"]


def test_capabilities() -> None:
    """Native, emulated and fanned out are told apart; what is passed on is left to the service."""
    [cohere] = PROVIDERS["cohere"].profile.examples.values()
    [mistral] = PROVIDERS["mistral"].profile.examples.values()
    [vllm] = PROVIDERS["vllm"].profile.examples.values()
    able = mapping.capabilities(cohere)
    assert (able["tools"], able["`n`"], able["audio"]) == ("yes", "fanned out", "no")
    able = mapping.capabilities(mistral)
    assert (able["tools"], able["`seed`"], able["`logprobs`"]) == ("passed on", "yes", "no")
    assert able["usage in streams"] == "unasked"
    assert mapping.capabilities(vllm)["usage in streams"] == "asked for"


def test_settings_tell_what_is_needed() -> None:
    """By trying: a credential counts in either of its forms, and what only some need is told of those."""
    examples = PROVIDERS["openai"].profile.examples
    assert mapping.needed("openai_api_key", examples) == "for openai, azure"
    assert mapping.needed("openai_organization", examples) == ""
    assert mapping.needed("aws_region", PROVIDERS["amazon-bedrock"].profile.examples) == "yes"


def test_every_setting_has_a_meaning() -> None:
    """No field of any provider's settings is left unexplained, and a plain text is no field of its own."""
    for name, kind in PROVIDERS.items():
        for setting in settings_of(kind.profile.settings):
            assert setting.meaning, (name, setting.name)
            assert not setting.name.endswith("_plaintext")
