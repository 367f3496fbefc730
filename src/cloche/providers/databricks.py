"""Serving endpoints of a Databricks workspace, or of another cloche: they speak as cloche's own clients do."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.providers.base import render_head
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.openai_texts import OpenAICompleter, OpenAIEmbedder, for_task
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, base_url, credential, required
from cloche.providers.site import Site

GROUP = "databricks_model_serving_config"


class DatabricksConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `databricks_model_serving_config` object of a served entity."""

    databricks_workspace_url: Annotated[
        str, Meta(description="the workspace; calls go to its serving endpoint of the model's name")
    ] = ""
    databricks_api_token: str | None = None
    databricks_api_token_plaintext: str | None = None


def bind(model: ExternalModel) -> OpenAIShaped | OpenAICompleter | OpenAIEmbedder:
    """The translator for a served entity whose model's name is that of an endpoint.  InvalidSettings names what is
    wrong."""
    found = Faults(GROUP)
    config = found.read(DatabricksConfig, model.settings)
    with found:
        token = credential(config, "databricks_api_token", GROUP)
    with found:
        required(config, ("databricks_workspace_url",), GROUP, "this field is required")
        origin, path = base_url(config.databricks_workspace_url, f"{GROUP}.databricks_workspace_url")
    found.settle()
    target = f"{path}/serving-endpoints/{quote(model.name, safe='')}/invocations"
    head = render_head(origin, target, {"authorization": f"Bearer {token}"})
    site = Site("databricks-model-serving", origin, head)
    return for_task(model.task)(model.name, site)


PROFILE = Profile(
    DatabricksConfig,
    examples(
        ExternalModel(
            "an-endpoint",
            "databricks-model-serving",
            CHAT_TASK,
            {"databricks_workspace_url": "https://example.cloud.databricks.com", "databricks_api_token_plaintext": "x"},
        )
    ),
    page="databricks",
    title="Databricks Model Serving",
)
