"""Fixtures that several test folders share.  Only what needs the default model's weights belongs here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloche.engine.catalogue import SMOLLM2, Catalogue, Model
from cloche.engine.pull import pull


@pytest.fixture(scope="session")
def models() -> Catalogue:
    """The catalogue that keeps the weights between test runs: CLOCHE_TEST_MODELS, or .cache/models here."""
    default = Path(__file__).parent.parent / ".cache" / "models"
    return Catalogue(Path(os.environ.get("CLOCHE_TEST_MODELS", default)))


@pytest.fixture(scope="session")
def model(models: Catalogue) -> Model:
    """The default model, really pulled unless an earlier run has done so."""
    return pull(SMOLLM2.name, models, lambda *_: None)
