"""The providers of external models, for whoever makes an endpoint in a form."""

from __future__ import annotations

from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.providers import forms


def list_providers(context: Context, request: ControlRequest) -> Answer:
    """Every provider with its title, its tasks and the fields of its settings object."""
    return json(forms.Forms(forms.forms()))


ROUTES = (Row("GET", "/api/2.0/providers", Needs.TOKEN, list_providers, "cloche.providers", gives=forms.Forms),)
