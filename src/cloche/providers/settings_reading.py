"""A provider's settings, read and judged: all that is wrong with them is told at once, each fault with its path.

A message never shows a value that may be a secret.  Must not know any provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from cloche.codec.json_faults import faults
from cloche.domain.outbound import Origin
from cloche.providers.base import InvalidSettings, header_value, parse_url

Config = TypeVar("Config")

_CALLS = ("/completions", "/embeddings", "/messages")
"""How the URLs of calls end that people copy where a base is wanted."""


class Faults:
    """Gathers what is wrong with a provider's settings, so that all of it is told at once.

        found = Faults(GROUP)
        config = found.read(AcmeConfig, model.settings)
        with found:
            key = credential(config, "acme_api_key", GROUP)
        with found:
            origin, path = base_url(config.acme_api_base, f"{GROUP}.acme_api_base")
        found.settle()

    Each `with` is a check that does not need what another one found.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._problems: dict[str, tuple[str, str]] = {}

    def read(self, kind: type[Config], settings: dict[str, Any]) -> Config:
        """The provider's settings object; what is wrong in it is as if it were not given.  All fields have defaults."""
        found = faults(settings, kind, self._group)
        wrong = {path.removeprefix(f"{self._group}.").partition(".")[0] for path, _ in found}
        self._keep([_explained(path, what, settings, kind) for path, what in found])
        return msgspec.convert({name: value for name, value in settings.items() if name not in wrong}, kind)

    def tell(self, name: str, what: str) -> None:
        """Add a fault of the field `name`."""
        self._keep([(f"{self._group}.{name}", what)])

    def __enter__(self) -> None:
        """Begin a check."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Keep what a check raised."""
        if not isinstance(error, InvalidSettings):
            return False
        self._keep(error.problems)
        return True

    def settle(self) -> None:
        """InvalidSettings with all that was gathered, if there is any."""
        if self._problems:
            raise InvalidSettings(list(self._problems.values()))

    def _keep(self, problems: Iterable[tuple[str, str]]) -> None:
        """Of each setting the first fault: one of a wrong type would be missing, too."""
        for path, what in problems:
            self._problems.setdefault(path.removesuffix("_plaintext"), (path, what))


def _explained(path: str, what: str, settings: dict[str, Any], kind: type[Any]) -> tuple[str, str]:
    """A fault, with the fields that there are for one that there is not, and what to do with the JSON of a key."""
    name = path.rpartition(".")[2]
    if name.endswith("_plaintext") and isinstance(settings.get(name), dict):
        return path, "must be text: put the object into quotes"
    if name not in settings or name in kind.__struct_fields__:
        return path, what
    return path, f"{what}; there are: {', '.join(kind.__struct_fields__)}"


def credential(settings: Any, name: str, group: str, *, required: bool = True) -> str | None:
    """The value of the credential `name`; exactly one of its two forms may be there.

    References were replaced by the values of secrets, as `NAME_plaintext`, before a provider sees its settings: what is
    left under `NAME` is none.
    """
    reference, plaintext = getattr(settings, name), getattr(settings, f"{name}_plaintext")
    if reference is not None and plaintext is not None:
        raise InvalidSettings([(f"{group}.{name}", f"give either {name} or {name}_plaintext, not both")])
    if reference is not None:
        raise InvalidSettings(
            [(f"{group}.{name}", f"must be {{{{secrets/SCOPE/KEY}}}}; a value as it is goes into {name}_plaintext")]
        )
    if plaintext is not None and plaintext.startswith("{{"):
        raise InvalidSettings([(f"{group}.{name}_plaintext", f"is a reference, which goes into {name}")])
    if plaintext is not None and plaintext.lower().startswith("bearer "):
        raise InvalidSettings([(f"{group}.{name}_plaintext", "must be the key alone, without 'Bearer'")])
    if plaintext is None:
        if required:
            raise InvalidSettings([(f"{group}.{name}", f"give {name} or {name}_plaintext")])
        return None
    return header_value(plaintext, f"{group}.{name}_plaintext")


def absent(settings: Any, names: Iterable[str], group: str, why: str) -> None:
    """See that none of the named fields is given.  InvalidSettings names those that are, with the reason."""
    given = [(f"{group}.{name}", why) for name in names if getattr(settings, name) is not None]
    if given:
        raise InvalidSettings(given)


def required(settings: Any, names: Iterable[str], group: str, why: str) -> None:
    """See that each of the named fields is given.  InvalidSettings names those that are not, with the reason."""
    missing = [(f"{group}.{name}", why) for name in names if not getattr(settings, name)]
    if missing:
        raise InvalidSettings(missing)


def base_url(url: str, path: str) -> tuple[Origin, str]:
    """Origin and path of an upstream's base URL, to which the path of a call is added."""
    origin, above = parse_url(url, path)
    if "?" in above:
        raise InvalidSettings([(path, "must have no query: a path is added to it")])
    above = above.rstrip("/")
    if above.endswith(_CALLS):
        raise InvalidSettings([(path, "is the URL of a call: give its beginning, to which the rest is added")])
    return origin, above
