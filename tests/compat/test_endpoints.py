"""Endpoints as the clients manage them: made, changed and removed by the SDK, MLflow and plain REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service import serving as sdk
from mlflow.deployments import get_deploy_client
from requests import HTTPError  # noqa: TID251 (what MLflow raises)

from .live import MODEL, TOKEN, Live
from .provider import Provider

CANARY = "sk-canary-0123456789"
AT = "/api/2.0/serving-endpoints"


@pytest.fixture
def client(relaying: Live) -> Iterator[WorkspaceClient]:
    """The SDK in front of a server without local models; what it made is removed."""
    made = WorkspaceClient(config=Config(host=relaying.url, token=TOKEN, auth_type="pat", retry_timeout_seconds=3))
    before = {endpoint.name for endpoint in made.serving_endpoints.list()}
    yield made
    for endpoint in list(made.serving_endpoints.list()):
        if endpoint.name not in before:
            made.serving_endpoints.delete(str(endpoint.name))


def entity(provider: Provider, name: str = "first") -> sdk.ServedEntityInput:
    """A served entity of the scripted provider."""
    return sdk.ServedEntityInput(
        name=name,
        external_model=sdk.ExternalModel(
            name="m-1",
            provider=sdk.ExternalModelProvider.CUSTOM,
            task="llm/v1/chat",
            custom_provider_config=sdk.CustomProviderConfig(
                custom_provider_url=f"http://127.0.0.1:{provider.server_port}/v1",
                bearer_token_auth=sdk.BearerTokenAuth(token_plaintext=CANARY),
            ),
        ),
    )


def config(*entities: sdk.ServedEntityInput) -> sdk.EndpointCoreConfigInput:
    """The configuration of a new endpoint."""
    return sdk.EndpointCoreConfigInput(name="managed", served_entities=list(entities))


def test_the_life_of_an_endpoint(client: WorkspaceClient, provider: Provider, relaying: Live) -> None:
    """The SDK makes an endpoint, sees it, changes everything about it, and removes it; a credential is never shown."""
    api = client.serving_endpoints
    made = api.create_and_wait("managed", config=config(entity(provider)), tags=[sdk.EndpointTag("a", "b")])
    assert made.state is not None
    assert made.state.ready is sdk.EndpointStateReady.READY
    assert made.permission_level is sdk.ServingEndpointDetailedPermissionLevel.CAN_MANAGE
    routes = [sdk.Route(90, served_entity_name="first"), sdk.Route(10, served_entity_name="second")]
    changed = api.update_config_and_wait(
        "managed",
        served_entities=[entity(provider), entity(provider, "second")],
        traffic_config=sdk.TrafficConfig(routes),
    )
    assert changed.config is not None
    assert changed.config.config_version == 2
    assert [each.name for each in changed.config.served_entities or []] == ["first", "second"]
    assert [
        each.traffic_percentage for each in (changed.config.traffic_config or sdk.TrafficConfig()).routes or []
    ] == [90, 10]
    assert "managed" in {each.name for each in api.list()}
    shown = relaying.request("GET", f"{AT}/managed").body + relaying.request("GET", AT).body
    assert CANARY.encode() not in shown + relaying.request("GET", "/api/2.0/cloche/audit").body
    api.delete("managed")
    with pytest.raises(errors.NotFound):
        api.get("managed")


def test_properties(client: WorkspaceClient, provider: Provider) -> None:
    """Tags, gateway rules, rate limits, notifications and telemetry are set by the SDK, and shown afterwards."""
    api = client.serving_endpoints
    api.create_and_wait("managed", config=config(entity(provider)), description="mine", tags=[sdk.EndpointTag("a")])
    assert api.patch("managed", add_tags=[sdk.EndpointTag("p", "q")], delete_tags=["a"]).tags == [
        sdk.EndpointTag("p", "q")
    ]
    usage = sdk.AiGatewayUsageTrackingConfig(enabled=True)
    assert api.put_ai_gateway("managed", usage_tracking_config=usage).usage_tracking_config == usage
    limit = sdk.RateLimit(calls=5, renewal_period=sdk.RateLimitRenewalPeriod.MINUTE, key=sdk.RateLimitKey.USER)
    assert api.put("managed", rate_limits=[limit]).rate_limits == [limit]
    mails = sdk.EmailNotifications(on_update_failure=["a@example.org"])
    assert api.update_notifications("managed", email_notifications=mails).email_notifications == mails
    telemetry = sdk.TelemetryConfig(telemetry_profile_id="t")
    assert api.patch_telemetry_config("managed", telemetry_config=telemetry).telemetry_config == telemetry
    assert api.patch_telemetry_config("managed").telemetry_config is None
    shown = api.get("managed")
    assert shown.ai_gateway is not None
    assert (shown.ai_gateway.usage_tracking_config, len(shown.ai_gateway.rate_limits or [])) == (usage, 1)
    assert (shown.description, shown.email_notifications) == ("mine", mails)


def test_documents(client: WorkspaceClient, provider: Provider) -> None:
    """An endpoint has an OpenAPI document, and one that is optimised for its route says where and with what token."""
    api = client.serving_endpoints
    made = api.create_and_wait("managed", config=config(entity(provider)), route_optimized=True)
    contents = api.get_open_api("managed").contents
    assert contents is not None
    assert "/serving-endpoints/managed/invocations" in json.loads(contents.read())["paths"]
    assert made.data_plane_info is not None
    assert made.data_plane_info.query_info is not None
    assert made.endpoint_url == made.data_plane_info.query_info.endpoint_url
    assert str(made.endpoint_url).endswith("/serving-endpoints/managed/invocations")
    assert str(made.id) in str(made.data_plane_info.query_info.authorization_details)


def test_refusals(client: WorkspaceClient, provider: Provider) -> None:
    """What is wrong is told by the exceptions that the SDK has for it."""
    api = client.serving_endpoints
    api.create_and_wait("managed", config=config(entity(provider)))
    with pytest.raises(errors.ResourceAlreadyExists):
        api.create("managed", config=config(entity(provider)))
    with pytest.raises(errors.InvalidParameterValue, match="served_entities"):
        api.update_config("managed", served_entities=[sdk.ServedEntityInput(entity_name=MODEL)])
    routes = sdk.TrafficConfig([sdk.Route(99, served_entity_name="first")])
    with pytest.raises(errors.InvalidParameterValue, match="add up to 100"):
        api.update_config("managed", served_entities=[entity(provider)], traffic_config=routes)
    with pytest.raises(errors.InvalidParameterValue, match=r"config\.served_entities"):
        api.create("other", config=config())
    with pytest.raises(errors.NotFound):
        api.put("nowhere", rate_limits=[])
    with pytest.raises(errors.NotImplemented):
        api.http_request("c", sdk.ExternalFunctionRequestHttpMethod.GET, "/")


def test_provisioned_throughput_is_of_local_models(client: WorkspaceClient) -> None:
    """The `pt` bodies are read; a model that is not here is refused by its field."""
    wanted = sdk.PtEndpointCoreConfig([sdk.PtServedModel("no-such-model", 50)])
    with pytest.raises(errors.InvalidParameterValue, match=r"config.served_entities\[0\].entity_name"):
        client.serving_endpoints.create_provisioned_throughput_endpoint("managed", wanted)


@pytest.mark.model
def test_a_local_model_comes_up(live: Live) -> None:
    """An endpoint of a local model is made, waited for, queried, given a new version, and removed."""
    made = WorkspaceClient(config=Config(host=live.url, token=TOKEN, auth_type="pat")).serving_endpoints
    model = sdk.ServedEntityInput(
        entity_name=MODEL, entity_version="1", workload_size="Small", scale_to_zero_enabled=True
    )
    first = made.create_and_wait("local", config=config(model))
    try:
        assert first.state is not None
        assert first.state.ready is sdk.EndpointStateReady.READY
        assert live.ask("local").status == 200
        again = made.update_config_and_wait("local", served_entities=[model], traffic_config=None)
        assert again.config is not None
        assert again.config.config_version == 2
        shown = (again.config.served_entities or [])[0]
        assert (shown.entity_name, shown.workload_size, shown.scale_to_zero_enabled) == (MODEL, "Small", True)
        assert shown.foundation_model is not None
    finally:
        made.delete("local")
    assert live.ask("local").status == 404


@pytest.fixture
def mlflow(relaying: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow's client of the same server."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("DATABRICKS_HOST", relaying.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    return get_deploy_client("databricks")  # type: ignore[no-untyped-call]


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:FutureWarning")
def test_mlflow_manages_endpoints(mlflow: Any, client: WorkspaceClient, provider: Provider) -> None:
    """Every method of MLflow's client for endpoints works, in its old forms and its new ones."""
    entities = {"served_entities": [entity(provider).as_dict()]}
    made = mlflow.create_endpoint(config={"name": "managed", "config": entities})
    assert (made["state"]["ready"], made["endpoint_type"]) == ("READY", "EXTERNAL_MODEL")
    assert "managed" in {each["name"] for each in mlflow.list_endpoints()}
    assert mlflow.get_endpoint("managed")["id"] == made["id"]
    assert mlflow.update_endpoint_config("managed", entities)["config"]["config_version"] == 2
    assert mlflow.update_endpoint("managed", entities)["config"]["config_version"] == 3
    read = mlflow.get_endpoint("managed")["config"]
    read["traffic_config"]["routes"][0]["traffic_percentage"] = 100
    assert mlflow.update_endpoint_config("managed", dict(read))["config"]["config_version"] == 4
    tags = {"tags": [{"key": "a", "value": "b"}]}
    assert mlflow.update_endpoint_tags("managed", {"add_tags": tags["tags"]}) == tags
    limits = {"rate_limits": [{"calls": 10, "key": "endpoint", "renewal_period": "minute"}]}
    assert mlflow.update_endpoint_rate_limits("managed", limits) == limits
    assert mlflow.update_endpoint("managed", limits) == limits
    rules = {"usage_tracking_config": {"enabled": True}}
    assert mlflow.update_endpoint_ai_gateway("managed", rules) == rules
    assert mlflow.delete_endpoint("managed") == {}
    older = mlflow.create_endpoint("managed", dict(entities) | tags, route_optimized=True)
    assert (older["route_optimized"], older["tags"]) == (True, tags["tags"])
    with pytest.raises(HTTPError, match="400"):
        mlflow.create_endpoint(config={"name": "a b", "config": entities})


def test_versions_and_configuration(client: WorkspaceClient, provider: Provider, relaying: Live) -> None:
    """Versions are listed, compared and brought back; a dry run changes nothing; an export applies as unchanged."""
    client.serving_endpoints.create_and_wait("managed", config=config(entity(provider)))
    update = {"served_entities": [entity(provider, "second").as_dict()], "config_version": 1}
    dry = relaying.request("PUT", f"{AT}/managed/config?dry_run=true", update)
    assert (dry.status, dry.json()["config"]["config_version"]) == (200, 2)
    assert relaying.request("PUT", f"{AT}/managed/config", update).status == 200
    assert relaying.request("PUT", f"{AT}/managed/config", update).json()["error_code"] == "RESOURCE_CONFLICT"
    versions = relaying.request("GET", f"{AT}/managed/versions").json()["versions"]
    assert [(each["version"], each["state"]) for each in versions] == [(2, "ACTIVE"), (1, "INACTIVE")]
    assert relaying.request("GET", f"{AT}/managed/versions/1").json() == versions[1]
    diff = relaying.request("GET", f"{AT}/managed/versions/2/diff?against=1").json()
    assert diff["changes"][0]["path"] == "served_entities[first]"
    for wrong in ("versions/x", "versions/9", "versions/1/diff?against=x"):
        assert relaying.request("GET", f"{AT}/managed/{wrong}").status in (400, 404)
    back = relaying.request("POST", f"{AT}/managed/rollback", {"version": 1}).json()
    assert (back["config"]["config_version"], back["config"]["served_entities"][0]["name"]) == (3, "first")
    exported = relaying.request("GET", "/api/2.0/cloche/configuration").json()
    assert CANARY not in json.dumps(exported)
    applied = relaying.request("PUT", "/api/2.0/cloche/configuration?prune=true", exported).json()
    assert {each["action"] for each in applied["changes"]} == {"unchanged"}
    assert relaying.request("PUT", "/api/2.0/cloche/configuration?prune=maybe", exported).status == 400
    wrong_body = relaying.request("PUT", "/api/2.0/cloche/configuration", {"endpoints": [{"name": "a b"}]}).json()
    fields = [each["field"] for each in wrong_body["details"][0]["field_violations"]]
    assert fields == ["endpoints[0].name", "endpoints[0].config"]


def test_a_dry_run_can_ask_the_providers(client: WorkspaceClient, provider: Provider, relaying: Live) -> None:
    """A dry run with probes tells of each external model whether it answers and why not, and makes nothing."""
    deaf = entity(provider, "deaf")
    assert deaf.external_model is not None
    deaf.external_model.custom_provider_config = sdk.CustomProviderConfig("http://127.0.0.1:1/v1")
    body = {"name": "managed", "config": config(entity(provider), deaf).as_dict()}
    answer = relaying.request("POST", f"{AT}?dry_run=true&probe=true", body)
    assert answer.status == 200, answer.body
    first, second = answer.json()["probes"]
    assert (first["entity"], first["ok"], first["message"]) == ("first", True, "")
    assert (second["entity"], second["ok"]) == ("deaf", False)
    assert "cannot be reached" in second["message"]
    assert CANARY.encode() not in answer.body
    assert relaying.request("GET", f"{AT}/managed").status == 404
    assert relaying.request("POST", f"{AT}?probe=true", body).status == 400
    assert "probes" not in relaying.request("POST", f"{AT}?dry_run=true", body).json()
