"""Endpoint bodies: every fault is told at once, with its path, and whatever is sent is read or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.domain.endpoint import Configuration, Route, Tag
from cloche.domain.errors import BadRequest, InvalidFields
from cloche.wire import gateway_config, serving_input, serving_reading
from cloche.wire.older_words import in_words_of
from cloche.wire.serving import config_body
from cloche.wire.serving_reading import read_configuration, read_endpoint, read_endpoints, read_pt_configuration

OPENAI = {
    "name": "gpt-4",
    "provider": "openai",
    "task": "llm/v1/chat",
    "openai_config": {"openai_api_key": "{{secrets/a/b}}"},
}
LOCAL = {"entity_name": "m"}
EMPTY = Configuration((), ())


def body(*entities: Any, **fields: Any) -> dict[str, Any]:
    """A create body with these entities."""
    return {"name": "chat", "config": {"served_entities": list(entities)}} | fields


def external(**fields: Any) -> dict[str, Any]:
    """An entity of the provider openai, with other fields of its model."""
    return {"external_model": OPENAI | fields}


def faults(reads: Callable[[], object]) -> dict[str, str]:
    """What is wrong, by path."""
    with pytest.raises(InvalidFields) as caught:
        reads()
    assert caught.value.status == 400
    return dict(caught.value.details)


def create_faults(value: Any, kind: Any = serving_input.CreateEndpoint) -> dict[str, str]:
    """What is wrong with a create body, by path."""
    return faults(lambda: read_endpoint(value, PROVIDER_FORMS, kind))


FIRST = "config.served_entities[0]"
MODEL = f"{FIRST}.external_model"
WRONG: list[tuple[Any, dict[str, str]]] = [
    ([], {"the body": "expected object, got array"}),
    ({}, {"name": "this field is required", "config": "this field is required"}),
    (body(LOCAL, name="a b"), {"name": "must be 1 to 63 letters"}),
    (body(LOCAL, nmae="x"), {"nmae": "there is no such field"}),
    (body(), {"config.served_entities": "must name at least one"}),
    (body(LOCAL, description="x" * 1001), {"description": "expected str of length <= 1000"}),
    (body({}), {FIRST: "give either external_model or entity_name"}),
    (body(LOCAL | external()), {FIRST: "give either external_model or entity_name"}),
    (body(LOCAL | {"environment_vars": {"A": "b"}}), {f"{FIRST}.environment_vars": "is not supported"}),
    (body(LOCAL | {"instance_profile_arn": "arn"}), {f"{FIRST}.instance_profile_arn": "is not supported"}),
    (body(LOCAL | {"min_provisioned_concurrency": 10**30}), {f"{FIRST}.min_provisioned_concurrency": "expected"}),
    (body(external() | {"entity_version": "1"}), {f"{FIRST}.entity_version": "does not belong"}),
    (body(external(provider="x")), {f"{MODEL}.provider": "'x' is not supported; supported are: ai21labs, "}),
    (body(external(provider="bedrock")), {f"{MODEL}.provider": "'bedrock' is not supported; did you mean amazon-bed"}),
    (body(external(provider="OpenAI")), {f"{MODEL}.provider": "'OpenAI' is not supported; did you mean openai?"}),
    (body(external(provider="azure")), {f"{MODEL}.provider": "'azure' is not supported; did you mean openai?"}),
    (body(external(provider="llama_cpp")), {f"{MODEL}.provider": "'llama_cpp' is not supported; did you mean llama-"}),
    (body(external(task="chat")), {f"{MODEL}.task": "models of 'openai' do llm/v1/chat and "}),
    (body(external(name="")), {f"{MODEL}.name": "this field is required"}),
    (body(external(openai_config=None)), {f"{MODEL}.openai_config": "this object is required"}),
    (body(external(cohere_config={})), {f"{MODEL}.cohere_config": "does not belong"}),
    (body(external(openai_config={})), {f"{MODEL}.openai_config.openai_api_key": "give openai_api_key or"}),
    (
        body({"external_model": {"name": "x", "provider": "palm", "task": "llm/v1/chat", "palm_config": {}}}),
        {f"{MODEL}.palm_config": "the PaLM API was shut down"},
    ),
    (
        body(LOCAL, tags=[{"key": "a"}, {"key": "a"}, {"value": "b"}]),
        {"tags[1].key": "'a' is the key of another tag", "tags[2].key": "this field is required"},
    ),
    (
        body(LOCAL, rate_limits=[{"calls": 1, "renewal_period": "minute"}], ai_gateway={"rate_limits": []}),
        {"rate_limits": "give either rate_limits or ai_gateway.rate_limits"},
    ),
    (
        {"name": "chat", "config": {"served_entities": [LOCAL], "served_models": [{"model_name": "m"}]}},
        {"config.served_models": "give either served_entities or served_models"},
    ),
    (
        {"name": "a.b", "x": 1, "config": {"served_entities": [{"entity_nam": "m"}, external(task="no")]}},
        {
            "name": "must be 1 to 63",
            "x": "there is no such field",
            "config.served_entities[0].entity_nam": "there is no such field",
            "config.served_entities[1].external_model.task": "models of 'openai' do",
        },
    ),
    (
        {
            "name": "chat",
            "config": {"served_entities": [LOCAL], "traffic_config": {"routes": [{}, {"traffic_percentage": 101}]}},
        },
        {
            "config.traffic_config.routes[0].traffic_percentage": "this field is required",
            "config.traffic_config.routes[1].traffic_percentage": "expected int <= 100",
        },
    ),
]


@pytest.mark.parametrize(("value", "expected"), WRONG, ids=lambda value: str(value)[:60])
def test_every_fault_is_told_with_its_path(value: Any, expected: dict[str, str]) -> None:
    """A wrong body is refused with all that is wrong with it, and nothing else."""
    found = create_faults(value)
    assert found.keys() == expected.keys()
    assert all(found[path].startswith(words) for path, words in expected.items()), found


LIMIT = {"calls": 1, "renewal_period": "minute"}
WRONG_RULES: list[tuple[Any, dict[str, str]]] = [
    ({"guardrail": {}}, {"guardrail": "there is no such field"}),
    ({"fallback_config": {}}, {"fallback_config.enabled": "this field is required"}),
    ({"guardrails": {"input": {"pii": {"behavior": "HIDE"}}}}, {"guardrails.input.pii.behavior": "invalid enum value"}),
    ({"rate_limits": [{"renewal_period": "minute"}]}, {"rate_limits[0].calls": "give calls or tokens"}),
    ({"rate_limits": [LIMIT | {"renewal_period": "hour"}]}, {"rate_limits[0].renewal_period": "invalid enum value"}),
    ({"rate_limits": [LIMIT | {"key": "user_group"}]}, {"rate_limits[0].principal": "this field is required"}),
    ({"rate_limits": [LIMIT | {"principal": "ann"}]}, {"rate_limits[0].principal": "does not belong"}),
    ({"rate_limits": [LIMIT] * 21}, {"rate_limits": "there may be at most 20 limits, not 21"}),
    (
        {"rate_limits": [LIMIT | {"key": "user_group", "principal": "g"}] * 6},
        {"rate_limits": "there may be at most 5 limits of groups, not 6"},
    ),
    (
        {"guardrails": {"output": {"invalid_keywords": ["a", " ", "x" * 201]}}},
        {
            "guardrails.output.invalid_keywords[1]": "is empty",
            "guardrails.output.invalid_keywords[2]": "may have at most 200 characters, not 201",
        },
    ),
    (
        {"guardrails": {"input": {"invalid_keywords": ["a"] * 1001}}},
        {"guardrails.input.invalid_keywords": "there may be at most 1000 keywords, not 1001"},
    ),
    (
        {"inference_table_config": {"enabled": True, "schema_name": "s"}},
        {"inference_table_config.catalog_name": "this field is required where"},
    ),
]


@pytest.mark.parametrize(("rules", "expected"), WRONG_RULES, ids=lambda value: str(value)[:60])
def test_wrong_gateway_rules_are_told_in_both_places(rules: Any, expected: dict[str, str]) -> None:
    """Rules are judged alike where an endpoint is made and where they are changed."""
    alone = faults(lambda: gateway_config.read_ai_gateway(rules, None))
    assert alone.keys() == expected.keys()
    assert all(alone[path].startswith(words) for path, words in expected.items()), alone
    assert create_faults(body(LOCAL, ai_gateway=rules)) == {f"ai_gateway.{path}": what for path, what in alone.items()}


def test_gateway_rules_are_kept_as_they_were_given() -> None:
    """Also what would hold without being said: it is shown as it was put.  A null is nothing that was given."""
    breaker = {"enabled": True, "min_calls": 10, "window_seconds": 30}
    rules = {"circuit_breaker_config": breaker, "concurrency_config": {"max_calls": 2, "queue_limit": 100}}
    assert gateway_config.read_ai_gateway(rules | {"rate_limits": None}, None) == rules
    made = read_endpoint(body(LOCAL, ai_gateway=rules), PROVIDER_FORMS)
    assert made.properties is not None
    assert made.properties.ai_gateway == rules


def test_the_names_of_an_enabled_table_stay() -> None:
    """An inference table must be disabled before it is given another name."""
    table = {"enabled": True, "catalog_name": "c", "schema_name": "s"}
    before = {"inference_table_config": table}
    assert gateway_config.read_ai_gateway(before, before) == before
    renamed = {"inference_table_config": table | {"schema_name": "t"}}
    assert (
        "disabled"
        in faults(lambda: gateway_config.read_ai_gateway(renamed, before))["inference_table_config.schema_name"]
    )
    assert gateway_config.read_ai_gateway(renamed, {"inference_table_config": table | {"enabled": False}}) == renamed


def test_a_body_becomes_a_declaration() -> None:
    """What is said is what is declared: sizing is kept, traffic divided, an older limit put in its place."""
    entities = [LOCAL | {"workload_size": "Small", "scale_to_zero_enabled": True}, LOCAL | {"entity_version": "2"}]
    made = read_endpoint(
        body(*entities, tags=[{"key": "a", "value": "b"}], rate_limits=[LIMIT], description="d")
        | {"config": {"served_entities": entities, "route_optimized": True, "name": "chat"}},
        PROVIDER_FORMS,
    )
    first, second = made.configuration.entities
    assert (first.name, first.sizing, first.scale_to_zero_enabled) == ("m", {"workload_size": "Small"}, True)
    assert (second.name, second.entity_version) == ("m-2", "2")
    assert made.configuration.routes == (Route("m", 50), Route("m-2", 50))
    assert made.properties is not None
    assert made.properties.tags == (Tag("a", "b"),)
    assert made.properties.ai_gateway == {"rate_limits": [{"calls": 1, "renewal_period": "minute"}]}
    assert (made.properties.route_optimized, made.properties.description) == (True, "d")


def test_the_older_form_says_the_same() -> None:
    """`served_models` with `model_name` is read as `served_entities` with `entity_name`."""
    older = {"served_models": [{"model_name": "m", "model_version": "1", "scale_to_zero_enabled": False}]}
    newer = {"served_entities": [{"entity_name": "m", "entity_version": "1"}]}
    assert read_configuration(older, PROVIDER_FORMS, EMPTY) == read_configuration(newer, PROVIDER_FORMS, EMPTY)


def test_traffic_alone_keeps_the_entities() -> None:
    """An update that speaks of traffic only leaves the entities as they are."""
    present = read_endpoint(body(external(), external(name="b")), PROVIDER_FORMS).configuration
    traffic = {
        "routes": [
            {"served_model_name": "gpt-4", "traffic_percentage": 0},
            {"served_entity_name": "b", "traffic_percentage": 100},
        ]
    }
    changed, expected = read_configuration({"traffic_config": traffic, "config_version": 3}, PROVIDER_FORMS, present)
    assert (changed.entities, expected) == (present.entities, 3)
    assert changed.routes == (Route("gpt-4", 0), Route("b", 100))
    assert faults(lambda: read_configuration({}, PROVIDER_FORMS, present)) == {
        "served_entities": "this field is required"
    }


def test_traffic_alone_keeps_the_older_tables() -> None:
    """An update of the traffic only does not forget an `auto_capture_config`; a new one takes its place."""
    config = {"served_entities": [external()], "auto_capture_config": {"enabled": True}}
    present = read_endpoint({"name": "chat", "config": config}, PROVIDER_FORMS).configuration
    traffic = {"traffic_config": {"routes": [{"served_entity_name": "gpt-4", "traffic_percentage": 100}]}}
    assert read_configuration(traffic, PROVIDER_FORMS, present)[0] == present
    changed, _ = read_configuration(traffic | {"auto_capture_config": {"enabled": False}}, PROVIDER_FORMS, present)
    assert changed.auto_capture_config == {"enabled": False}


def test_strictness_goes_with_the_configuration() -> None:
    """`strict_params` is replaced with the entities and stays when only the traffic changes; shown when it is true."""
    config = {"served_entities": [external()], "strict_params": True}
    present = read_endpoint({"name": "chat", "config": config}, PROVIDER_FORMS).configuration
    assert present.strict_params
    assert config_body(present)["strict_params"] is True
    traffic = {"traffic_config": {"routes": [{"served_entity_name": "gpt-4", "traffic_percentage": 100}]}}
    assert read_configuration(traffic, PROVIDER_FORMS, present)[0] == present
    assert not read_configuration(traffic | {"strict_params": False}, PROVIDER_FORMS, present)[0].strict_params
    loose, _ = read_configuration({"served_entities": [external()]}, PROVIDER_FORMS, present)
    assert not loose.strict_params
    assert "strict_params" not in config_body(loose)
    assert create_faults({"name": "chat", "config": config | {"strict_params": 1}}).keys() == {"config.strict_params"}


def test_faults_are_told_in_the_words_of_the_body() -> None:
    """Who uses the older words is told of faults in them, and at the place where they stand."""
    routes = [{"served_model_name": "x", "traffic_percentage": 100}]
    older = {"served_models": [{"model_name": "m", "name": "a b"}], "traffic_config": {"routes": routes}}
    expected = {"served_models[0].name", "traffic_config.routes[0].served_model_name"}
    assert faults(lambda: read_configuration(older, PROVIDER_FORMS, EMPTY)).keys() == expected
    assert create_faults({"name": "chat", "config": older}).keys() == {f"config.{path}" for path in expected}
    with pytest.raises(InvalidFields) as caught, in_words_of({"endpoints": [{"config": older}]}):
        raise InvalidFields([("endpoints[0].config.served_entities[0].entity_name", "is not here"), ("other", "x")])
    assert [path for path, _ in caught.value.details] == ["endpoints[0].config.served_models[0].model_name", "other"]


@pytest.mark.parametrize("names", [{}, {"served_entity_name": "gpt-4", "served_model_name": "b"}])
def test_a_route_names_one_entity(names: dict[str, str]) -> None:
    """A route without a name, or with two, is told so."""
    traffic = {"routes": [names | {"traffic_percentage": 100}]}
    config = {"served_entities": [external()], "traffic_config": traffic}
    assert create_faults({"name": "chat", "config": config}).keys() == {"config.traffic_config.routes[0]"}


def test_an_empty_body_is_an_empty_object() -> None:
    """Clients that have nothing to say may send nothing."""
    assert serving_reading.parsed(b"") == {}
    assert "the body" in faults(lambda: gateway_config.read_ai_gateway(None, None))


def test_what_was_read_can_be_sent_back() -> None:
    """Fields that only answers have say nothing in a body, and of the two forms of entities the newer one counts; where
    both were written by hand, that is a fault."""
    written = {"creator": "ann", "creation_timestamp": 1, "state": {"deployment": "DEPLOYMENT_READY"}}
    both: dict[str, Any] = {"served_entities": [LOCAL | written], "served_models": [{"model_name": "m"} | written]}
    configuration, expected = read_configuration(both | {"config_version": 3}, PROVIDER_FORMS, EMPTY)
    assert [entity.entity_name for entity in configuration.entities] == ["m"]
    assert expected == 3
    both = {"served_entities": [LOCAL], "served_models": [{"model_name": "m"}]}
    assert "served_models" in faults(lambda: read_configuration(both, PROVIDER_FORMS, EMPTY))
    assert both["served_models"], "a body is not changed by reading it"


def test_provisioned_throughput_is_read() -> None:
    """The bodies of the `pt` routes need their units, and keep them."""
    config = {"served_entities": [{"entity_name": "m", "provisioned_model_units": 50}]}
    made = read_endpoint({"name": "pt", "config": config}, PROVIDER_FORMS, serving_input.CreatePtEndpoint)
    assert made.configuration.entities[0].sizing == {"provisioned_model_units": 50}
    assert read_pt_configuration({"config": config}, PROVIDER_FORMS) == made.configuration
    found = create_faults(body(LOCAL), serving_input.CreatePtEndpoint)
    assert found == {"config.served_entities[0].provisioned_model_units": "this field is required"}


def test_tags_are_patched() -> None:
    """Tags are deleted and added, and one with a key that is there takes its place."""
    patch = serving_reading.read(
        {"add_tags": [{"key": "b", "value": "2"}], "delete_tags": ["a"]}, serving_input.PatchTags
    )
    assert serving_reading.changed_tags((Tag("a"), Tag("b"), Tag("c")), patch) == (Tag("c"), Tag("b", "2"))


@pytest.mark.parametrize("text", [b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 100_000, b'"\\ud800"', b"NaN"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """A body that is no JSON, or says a thing twice, is a BadRequest."""
    with pytest.raises(BadRequest):
        serving_reading.parsed(text)


def test_faults_of_many_bodies_are_told_together() -> None:
    """Each body's faults bear its index."""
    found = faults(
        lambda: read_endpoints({"endpoints": [body(LOCAL, name=""), 5, body(LOCAL)], "x": 1}, PROVIDER_FORMS)
    )
    assert found.keys() == {"x", "endpoints[0].name", "endpoints[1]"}


NAMES = st.sampled_from(
    [
        *("name", "config", "served_entities", "served_models", "external_model", "entity_name", "provider", "task"),
        *("openai_config", "openai_api_key", "custom_provider_config", "traffic_config", "routes", "ai_gateway", "key"),
        *("traffic_percentage", "rate_limits", "tags", "calls", "renewal_period"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["openai", "custom", "llm/v1/chat", "minute", "{{secrets/a/b}}"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=6),
    max_leaves=30,
)


def refused_properly(reads: Callable[[], object]) -> bool:
    """Whether it reads, or refuses with a path and words for each fault."""
    try:
        reads()
    except InvalidFields as error:
        return bool(error.details) and all(path and what for path, what in error.details)
    return True


@settings(max_examples=150, deadline=None)
@given(value=JSON, config=JSON, entity=JSON)
def test_any_json_is_read_or_refused(value: Any, config: Any, entity: Any) -> None:
    """Whatever is sent, it is a declaration or a refusal that names a field."""
    for each in (value, {"name": "chat", "config": config}, body(entity), body(LOCAL, ai_gateway=value, tags=config)):
        assert refused_properly(lambda each=each: read_endpoint(each, PROVIDER_FORMS))  # type: ignore[misc]
        assert refused_properly(lambda each=each: read_configuration(each, PROVIDER_FORMS, EMPTY))  # type: ignore[misc]
        assert refused_properly(lambda each=each: read_endpoints(each, PROVIDER_FORMS))  # type: ignore[misc]
        assert refused_properly(lambda each=each: read_pt_configuration(each, PROVIDER_FORMS))  # type: ignore[misc]
