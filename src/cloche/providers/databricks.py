"""Serving endpoints of a Databricks workspace, or of another cloche: they speak as cloche's own clients do."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.providers.base import credential, parse_url, read_settings, render_head
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.openai_texts import OpenAICompleter, OpenAIEmbedder, for_task
from cloche.providers.profile import Profile, examples
from cloche.providers.site import Site

GROUP = "databricks_model_serving_config"


class DatabricksConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `databricks_model_serving_config` object of a served entity."""

    databricks_workspace_url: Annotated[
        str, Meta(description="the workspace; calls go to its serving endpoint of the model's name")
    ]
    databricks_api_token: str | None = None
    databricks_api_token_plaintext: str | None = None


def bind(model: ExternalModel) -> OpenAIShaped | OpenAICompleter | OpenAIEmbedder:
    """The translator for a served entity whose model's name is that of an endpoint.  InvalidSettings names what is
    wrong."""
    config = read_settings(DatabricksConfig, model.settings, GROUP)
    headers = {"authorization": f"Bearer {credential(config, 'databricks_api_token', GROUP)}"}
    origin, path = parse_url(config.databricks_workspace_url, f"{GROUP}.databricks_workspace_url")
    target = f"{path.rstrip('/')}/serving-endpoints/{quote(model.name, safe='')}/invocations"
    site = Site("databricks-model-serving", origin, render_head(origin, target, headers))
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
)
