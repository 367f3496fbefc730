"""Serving endpoints of a Databricks workspace, or of another cloche: they speak as cloche's own clients do."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import credential, parse_url, read_settings, render_head
from cloche.providers.openai import OpenAIShaped

GROUP = "databricks_model_serving_config"


class DatabricksConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `databricks_model_serving_config` object of a served entity."""

    databricks_workspace_url: str
    databricks_api_token: str | None = None
    databricks_api_token_plaintext: str | None = None


def bind(model: ExternalModel) -> OpenAIShaped:
    """The translator for a served entity whose model's name is that of an endpoint.  InvalidSettings names what is
    wrong."""
    config = read_settings(DatabricksConfig, model.settings, GROUP)
    headers = {"authorization": f"Bearer {credential(config, 'databricks_api_token', GROUP)}"}
    origin, path = parse_url(config.databricks_workspace_url, f"{GROUP}.databricks_workspace_url")
    target = f"{path.rstrip('/')}/serving-endpoints/{quote(model.name, safe='')}/invocations"
    return OpenAIShaped("databricks-model-serving", model.name, origin, render_head(origin, target, headers))
