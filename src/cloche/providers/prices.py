"""What the models of providers cost, by a table that comes with cloche (prices.json, made by `make prices`).

A model has the price of the first row that its name fits; what fits none has no price, which is not the price 0.  Must
not know what an operator has agreed with a provider: an endpoint's rules tell that.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.domain.money import Price, Rates

_SAME = {"google-cloud-vertex-ai": "gemini"}
"""Providers whose models cost what those of another do."""

_Row = tuple[int, int, int | None, int | None]


class _Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of these is given."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    or_: tuple[_Match, ...] | None = msgspec.field(default=None, name="or")
    and_: tuple[_Match, ...] | None = msgspec.field(default=None, name="and")

    def fits(self, name: str) -> bool:
        """Whether a model of this name is meant."""
        small = name.lower()
        if self.equals is not None:
            return small == self.equals.lower()
        if self.starts_with is not None:
            return small.startswith(self.starts_with.lower())
        if self.ends_with is not None:
            return small.endswith(self.ends_with.lower())
        if self.contains is not None:
            return self.contains.lower() in small
        if self.regex is not None:
            return re.search(self.regex, name) is not None
        if self.or_ is not None:
            return any(each.fits(name) for each in self.or_)
        return all(each.fits(name) for each in self.and_ or ())


class _Model(msgspec.Struct, frozen=True):
    match: _Match
    price: _Row
    tiers: tuple[tuple[int, int, int, int | None, int | None], ...] = ()
    """Each begins with the number of tokens above which it holds."""

    def whole(self) -> Price:
        """Its price."""
        return Price(Rates(*self.price), tuple((tier[0], Rates(*tier[1:])) for tier in self.tiers))


class _File(msgspec.Struct, frozen=True):
    source: str
    version: str
    date: str
    licence: str
    providers: Mapping[str, tuple[_Model, ...]]


class PriceTable:
    """`written`: the file."""

    def __init__(self, written: bytes) -> None:
        file = msgspec.json.decode(written, type=_File)
        self._models = file.providers
        self.date = file.date
        self.find = functools.lru_cache(1000)(self._find)

    def of(self, model: ExternalModel) -> Price | None:
        """The price of a model; None if it is not known."""
        provider = _SAME.get(model.provider, model.provider)
        if provider == "openai" and str(model.settings.get("openai_api_type", "")).startswith("azure"):
            provider = "azure"
        return self.find(provider, model.name)

    def _find(self, provider: str, name: str) -> Price | None:
        found = (each.whole() for each in self._models.get(provider, ()) if each.match.fits(name))
        return next(found, None)
