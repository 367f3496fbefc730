"""Many endpoints at a glance, and the last hour of one, from a live server."""

from __future__ import annotations

from typing import Any

import pytest

from .live import TOKEN, Live, invocations, wait_until
from .strangers import Stranger


def summaries(server: Live, query: str = "", token: str = TOKEN) -> dict[str, Any]:
    """What the API tells."""
    reply = server.request("GET", f"/api/2.0/endpoint-summaries?{query}", token=token)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


def names(server: Live, query: str, token: str = TOKEN) -> list[str]:
    """The endpoints that a query finds."""
    return [each["name"] for each in summaries(server, query, token)["endpoints"]]


def test_the_hour_is_that_of_all_workers(watched: Live) -> None:
    """Whichever worker is asked tells the calls and errors of all of them, in the summary and minute by minute."""
    for _ in range(12):
        assert watched.ask("counted").status == 200
    assert watched.request("POST", invocations("counted"), {"messages": 7}).status == 400
    query = "q=counted&state=ready&provider=openai&task=llm/v1/chat&owner=admin"

    def counted_calls() -> int:  # each look may be at another worker, and workers hear of each other
        return int(summaries(watched, query)["endpoints"][0]["calls_last_hour"])

    wait_until(lambda: all(counted_calls() == 13 for _ in range(16)), "all calls")
    [counted] = summaries(watched, query)["endpoints"]
    assert (counted["errors_last_hour"], len(counted["sparkline"])) == (1, 60)
    assert sum(each["calls"] for each in counted["sparkline"]) == 13
    assert sum(each["errors"] for each in counted["sparkline"]) == 1
    assert counted["models"] == [{"entity": "wordy", "model": "wordy", "provider": "openai", "traffic": 100}]
    assert (counted["state"]["ready"], counted["permission_level"]) == ("READY", "CAN_MANAGE")
    minutes = watched.request("GET", "/api/2.0/serving-endpoints/counted/series?minutes=60").json()["minutes"]
    assert sum(each["calls"] for each in minutes) == 13
    assert sum(each["client_errors"] for each in minutes) == 1
    assert all((each["calls"] == 0) is (each["latency_ms_p50"] is None) for each in minutes)
    assert [each["time"] for each in minutes] == [minutes[0]["time"] + 60_000 * number for number in range(60)]
    by_calls = names(watched, "sort=calls&limit=200")
    assert by_calls.index("counted") < by_calls.index("cut")


def test_pages_and_order(watched: Live) -> None:
    """Pages are parts of one order, and each tells how many there are."""
    every = names(watched, "limit=200")
    assert every == sorted(every, key=str.lower)
    assert names(watched, "sort=-name&limit=200") == every[::-1]
    pages: list[str] = []
    query = "limit=4"
    while query:
        page = summaries(watched, query)
        assert page["total"] == len(every)
        pages += [each["name"] for each in page["endpoints"]]
        query = f"limit=4&page_token={page['next_page_token']}" if "next_page_token" in page else ""
    assert pages == every


def test_others_see_their_own_endpoints(watched: Live, stranger: Stranger) -> None:
    """A user sees the endpoints on which they have a level, and that level; and no series of others."""
    assert summaries(watched, "", stranger.token) == {"endpoints": [], "total": 0}
    assert watched.request("GET", "/api/2.0/serving-endpoints/echo/series", token=stranger.token).status == 403
    stranger.give("echo", "CAN_VIEW")
    [echo] = summaries(watched, "", stranger.token)["endpoints"]
    assert (echo["name"], echo["permission_level"]) == ("echo", "CAN_VIEW")
    assert names(watched, "mine=true", stranger.token) == []
    assert watched.request("GET", "/api/2.0/serving-endpoints/echo/series", token=stranger.token).status == 200


@pytest.mark.parametrize(
    "query", ["state=happy", "task=sing", "sort=colour", "limit=0", "limit=201", "mine=yes", "mine=true&owner=bob"]
)
def test_what_cannot_be_asked_is_refused(watched: Live, query: str) -> None:
    """A query that means nothing is answered 400 with the parameter's name."""
    reply = watched.request("GET", f"/api/2.0/endpoint-summaries?{query}")
    assert (reply.status, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert reply.json()["message"].startswith(query.rpartition("&")[2].partition("=")[0])
