"""Models on Google Cloud Vertex AI: their settings, and what is bound to them.

The chat models are in vertex_models.py, embeddings in vertex_embeddings.py, where they are called in
vertex_project.py, and how tokens are obtained in google_tokens.py.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.domain.lending import Source
from cloche.providers.base import Embedder, Foreign, Translator
from cloche.providers.bearer import Bearer, token_server
from cloche.providers.google_tokens import google_source
from cloche.providers.google_workload import SERVER_NAME, WorkloadIdentity
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, credential
from cloche.providers.vertex_embeddings import VertexEmbedder
from cloche.providers.vertex_models import chat_model, check_name
from cloche.providers.vertex_project import Project, check_host_bound, region

GROUP = "google_cloud_vertex_ai_config"

_NAMES = {"project_id": re.compile(r"[a-z0-9.:-]{1,128}"), "region": re.compile(r"[a-z0-9-]{1,64}")}
"""What becomes a part of the URL."""


class VertexConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `google_cloud_vertex_ai_config` object of a served entity."""

    project_id: Annotated[str, Meta(description="the project's id")] = ""
    region: Annotated[str, Meta(description="a region, `us`, `eu` or `global`")] = ""
    private_key: Annotated[
        str | None, Meta(description="the JSON of a service account, or of a workload identity, as a whole")
    ] = None
    private_key_plaintext: str | None = None
    vertex_api_base: Annotated[str | None, Meta(description="another base URL than the region's; cloche's own")] = None
    vertex_token_uri: Annotated[
        str | None, Meta(description="another token server than the JSON names; cloche's own")
    ] = None


def bind(model: ExternalModel) -> Translator | Foreign | Embedder:
    """The translator for a served entity on Vertex AI.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(VertexConfig, model.settings)
    for name, form in _NAMES.items():
        given = getattr(config, name)
        if not form.fullmatch(given):
            found.tell(name, f"is no {name} of Google Cloud" if given else "this field is required")
    with found:
        check_name(model.name)
    with found:
        source = _source(config)
    # A region that is none is told of already, and not as a fault of the URL that it makes.
    names = (config.project_id, config.region if _NAMES["region"].fullmatch(config.region) else "global")
    with found:
        origin, path = region(names, config.vertex_api_base, f"{GROUP}.vertex_api_base")
    found.settle()
    if isinstance(source, WorkloadIdentity) and source.of_host:
        check_host_bound(origin, f"{GROUP}.vertex_api_base")
    place = Project(origin, path, Bearer(source))
    return chat_model(model.name, place) if model.task == CHAT_TASK else VertexEmbedder(model.name, place)


def _source(config: VertexConfig) -> Source:
    uri_path = f"{GROUP}.vertex_token_uri"
    server = None
    found = Faults(GROUP)
    with found:
        if config.vertex_token_uri is not None:
            server = token_server(SERVER_NAME, config.vertex_token_uri, uri_path)
    with found:
        if config.private_key is not None or config.private_key_plaintext is None:
            credential(config, "private_key", GROUP)
        source = google_source(config.private_key_plaintext or "", f"{GROUP}.private_key_plaintext", server)
    found.settle()
    return source


_IDENTITY = """{
  "type": "external_account",
  "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
  "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
  "token_url": "https://sts.googleapis.com/v1/token",
  "credential_source": {"file": "/var/run/secrets/tokens/google"}
}"""
_EXAMPLE = {"project_id": "p-1", "region": "europe-west1", "private_key_plaintext": _IDENTITY}

PROFILE = Profile(
    VertexConfig,
    examples(
        ExternalModel("gemini-2.5-flash", "google-cloud-vertex-ai", CHAT_TASK, _EXAMPLE),
        ExternalModel("claude-sonnet-4-5@20250929", "google-cloud-vertex-ai", CHAT_TASK, _EXAMPLE),
        ExternalModel("mistral-small-2503", "google-cloud-vertex-ai", CHAT_TASK, _EXAMPLE),
        ExternalModel("meta/llama-3.3-70b-instruct-maas", "google-cloud-vertex-ai", CHAT_TASK, _EXAMPLE),
    ),
    page="vertex",
    title="Google Cloud Vertex AI",
)
