"""The models of this host: which there are and who names them; fetched and deleted, with an entry in the audit log.

A model that an endpoint names, served or to be served, is not deleted.  Must not know HTTP, nor how a model is fetched.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.domain.access import Caller
from cloche.domain.errors import Conflict
from cloche.engine.catalogue import Catalogue, Known, Model
from cloche.engine.pulls import Pull, Pulls

FOLDER = "pulls"
"""In the home: how pulls go."""


class Models:
    """The use-cases.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, catalogue: Catalogue, home: Path, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._catalogue = catalogue
        self._now_ms = now_ms
        self._pulls = Pulls(home / FOLDER, catalogue, now_ms)

    def here(self) -> list[Model]:
        """Those on this host, by name."""
        return self._catalogue.list()

    def known(self) -> list[Known]:
        """Those that can be fetched by name."""
        return list(self._catalogue.known().values())

    def pulls(self) -> list[Pull]:
        """How those go that were asked for, the newest first."""
        return self._pulls.all()

    def pull(self, caller: Caller, spec: str, name: str | None) -> Pull:
        """Begin to fetch a model.  InvalidParameter, QuotaExceeded."""
        pull_id = secrets.token_hex(8)
        with self._publisher.store.write(publish=False) as work:
            begun = self._pulls.begin(pull_id, spec, name)
            note(work, caller, "model.pull", begun.name, self._now_ms(), after={"spec": spec})
        return begun

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a model's files.  NotFound; Conflict while an endpoint names it."""
        # Endpoints change in turns with this, so that none can begin to name it meanwhile.
        with self._publisher.change() as work:
            model = self._catalogue.get(name)
            naming = work.state().naming(name)
            if naming:
                raise Conflict(f"The model '{name}' is used by {', '.join(naming)}: change or delete these first.")
            note(work, caller, "model.delete", name, self._now_ms(), before={"sha256": model.sha256})
            self._catalogue.remove(name)
