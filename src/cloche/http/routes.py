"""The one table of routes.  Whatever is not in it is answered 404 in JSON.

Each family of handlers brings its rows.  Chat paths stand in chat_paths.py, because the fast lane reads them from
bytes.
"""

from __future__ import annotations

from cloche.http.handlers import (
    audit,
    budgets,
    calls,
    configuration,
    documents,
    endpoints,
    events,
    guardrails,
    health,
    installation,
    logs,
    metrics,
    models,
    oauth,
    people,
    permissions,
    probe,
    providers,
    secrets,
    sign_in,
    summaries,
    tokens,
    upstream_request,
    usage,
    versions,
)
from cloche.http.route import Row

ROUTES: tuple[Row, ...] = (
    *installation.ROUTES,
    *documents.ROUTES,
    *endpoints.ROUTES,
    *summaries.ROUTES,
    *versions.ROUTES,
    *probe.ROUTES,
    *upstream_request.ROUTES,
    *guardrails.ROUTES,
    *providers.ROUTES,
    *configuration.ROUTES,
    *tokens.ROUTES,
    *people.ROUTES,
    *oauth.ROUTES,
    *sign_in.ROUTES,
    *permissions.ROUTES,
    *secrets.ROUTES,
    *audit.ROUTES,
    *usage.ROUTES,
    *budgets.ROUTES,
    *calls.ROUTES,
    *events.ROUTES,
    *metrics.ROUTES,
    *models.ROUTES,
    *health.ROUTES,
    *logs.ROUTES,
)
