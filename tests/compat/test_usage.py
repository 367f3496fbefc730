"""Usage as callers and operators see it: rows against a ledger of the test's own, and what is told of them."""

from __future__ import annotations

import http.client
import json
import random
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .live import TOKEN, Live, chat, invocations, raw_request, wait_until
from .provider import Provider

CALLS = 800
CALLERS = 8
TRACKED = {"usage_tracking_config": {"enabled": True}}
PRICES = {"prices": [{"served_entity_name": "echo", "input_per_million": 1.5, "output_per_million": 6}]}
LIMITED = {**TRACKED, "rate_limits": [{"renewal_period": "minute", "key": "endpoint", "calls": 20}]}
MODELS = ("echo", "busy", "overloaded", "failing", "refusing", "cut", "breaking", "wordy")


def priced(endpoint: dict[str, Any]) -> dict[str, Any]:
    """The rules that give an endpoint's model a price; one alone has it."""
    return PRICES if endpoint["name"] == "echo" else {}


def endpoints(provider: Provider) -> list[dict[str, Any]]:
    """An endpoint for each behaviour, all of them counted, and one that is not."""
    found = [each for each in provider.endpoints() if each["name"] in MODELS]
    limited, secret = (next(dict(each) for each in found if each["name"] == "echo") for _ in range(2))
    limited |= {"name": "limited", "ai_gateway": LIMITED}
    return [
        *(each | {"ai_gateway": TRACKED | priced(each), "tags": [{"key": "team", "value": "a"}]} for each in found),
        limited,
        secret | {"name": "uncounted"},
    ]


@pytest.fixture(scope="module")
def counted(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of two workers whose calls are counted."""
    folder: Path = tmp_path_factory.mktemp("usage")
    config = folder / "endpoints.json"
    config.write_text(json.dumps(endpoints(provider)))
    running = Live(folder, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    yield running
    running.stop()


def rows(server: Live, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database says."""
    with closing(sqlite3.connect(f"{(server.home / 'cloche.db').as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()


class Caller(threading.Thread):
    """Calls at random, and keeps for each call by its own name what it saw: a status, or that it hung up."""

    def __init__(self, server: Live, number: int) -> None:
        super().__init__(daemon=True)
        self._port = server.port
        self._dice = random.Random(number)
        self._number = number
        self.seen: dict[str, tuple[str, int]] = {}

    def run(self) -> None:
        """All calls, some on one connection, so that both workers get some."""
        for first in range(0, CALLS // CALLERS, 10):
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
                for count in range(first, first + 10):
                    self._call(connection, f"{self._number}-{count}")

    def _call(self, connection: http.client.HTTPConnection, name: str) -> None:
        model = self._dice.choice((*MODELS, "limited"))
        body: dict[str, Any] = chat(client_request_id=name, stream=self._dice.random() < 0.4)
        kind = self._dice.random()
        if kind < 0.05:
            body["temperature"] = "hot"
            name = f"bad {name}"
        elif kind < 0.12:
            self._hang_up(model, body)
            self.seen[name] = (model, 0)
            return
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        connection.request("POST", invocations(model), json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("cloche-overhead-ms") is not None
        self.seen[name] = (model, answer.status)

    def _hang_up(self, model: str, body: dict[str, Any]) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.sendall(raw_request(invocations(model), body))
            if self._dice.random() < 0.5:
                connection.recv(10)


def test_every_call_is_counted_once(counted: Live) -> None:
    """Of hundreds of calls with refusals, failures, cut streams, bad bodies, limits and clients that leave, through
    two workers, each has one row with what its client saw, and there is no other row."""
    callers = [Caller(counted, number) for number in range(CALLERS)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    seen = {name: told for each in callers for name, told in each.seen.items()}
    assert len(seen) == CALLS
    count = "SELECT count(*) FROM endpoint_usage"
    wait_until(lambda: rows(counted, count)[0][0] >= CALLS, "the rows")
    written = rows(counted, "SELECT client_request_id, endpoint_name, status_code FROM endpoint_usage")
    assert len(written) == CALLS
    named = {name: (endpoint, status) for name, endpoint, status in written if name is not None}
    # A body that cannot be read has no name, so those calls are compared by their number.
    bad = Counter(told for name, told in seen.items() if name.startswith("bad "))
    assert Counter((endpoint, status) for name, endpoint, status in written if name is None) == bad
    assert set(bad) == {(model, 400) for model, _ in bad}
    whole = {name: told for name, told in seen.items() if not name.startswith("bad ")}
    assert named.keys() == whole.keys()
    wrong = {name: (told, named[name]) for name, told in whole.items() if told[1] and told != named[name]}
    assert wrong == {}
    assert all(named[name][0] == told[0] for name, told in whole.items())
    assert {429, 400, 200} <= {status for _, status in whole.values()}
    processes = rows(counted, "SELECT DISTINCT substr(databricks_request_id, 1, 23) FROM endpoint_usage")
    assert len(processes) == 2, "both workers must have had calls"


def test_a_row_tells_what_was_asked_and_said(counted: Live) -> None:
    """Tokens are the provider's, characters those of the texts, and the entity is one that is told of."""
    body = chat(client_request_id="mine", usage_context={"project": "p1"})
    reply = counted.request("POST", invocations("echo"), body)
    said = reply.json()["choices"][0]["message"]["content"]
    columns = "status_code, input_token_count, output_token_count, input_character_count, output_character_count"
    sql = f"SELECT {columns}, usage_context, estimated, requester FROM endpoint_usage WHERE client_request_id = 'mine'"
    wait_until(lambda: rows(counted, sql), "the row")
    [(*numbers, context, estimated, requester)] = rows(counted, sql)
    assert numbers == [200, 11, 7, len(body["messages"][0]["content"]), len(said)]
    assert (json.loads(context), estimated, requester) == ({"project": "p1"}, 0, "admin")
    joined = """
        SELECT e.endpoint_name, e.served_entity_name, e.entity_type FROM endpoint_usage u
        JOIN served_entities e ON e.served_entity_id = u.served_entity_id WHERE u.client_request_id = 'mine'
    """
    assert rows(counted, joined) == [("echo", "echo", "EXTERNAL_MODEL")]


def test_what_a_provider_did_not_count_is_estimated_and_marked(counted: Live) -> None:
    """A stream that breaks off has the tokens of the characters that came, and says so."""
    assert counted.ask("breaking", client_request_id="broken", stream=True).status == 200
    sql = "SELECT status_code, outcome, output_character_count, output_token_count, estimated FROM endpoint_usage"
    sql += " WHERE client_request_id = 'broken'"
    wait_until(lambda: rows(counted, sql), "the row")
    characters = len("Glass bell.")
    assert rows(counted, sql) == [(200, "error", characters, (characters + 1) // 4, 1)]


def test_nothing_is_counted_where_nobody_wants_it(counted: Live) -> None:
    """Calls to an endpoint without usage tracking leave no row."""
    assert counted.ask("uncounted").status == 200
    assert counted.ask("echo", client_request_id="after").status == 200
    wait_until(lambda: rows(counted, "SELECT 1 FROM endpoint_usage WHERE client_request_id = 'after'"), "the row")
    assert rows(counted, "SELECT 1 FROM endpoint_usage WHERE endpoint_name = 'uncounted'") == []


def usage(server: Live, query: str, token: str = TOKEN) -> list[dict[str, Any]]:
    """What the API tells."""
    reply = server.request("GET", f"/api/2.0/usage?{query}", token=token)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json()["usage"]
    return found


def test_sums(counted: Live) -> None:
    """The API adds up what is in the table, by each thing that it can be asked for."""
    by_endpoint = {each["group"]["endpoint"]: each for each in usage(counted, "group_by=endpoint")}
    table = "SELECT endpoint_name, count(*), sum(input_token_count), max(duration_ms) FROM endpoint_usage GROUP BY 1"
    for endpoint, calls, tokens, longest in rows(counted, table):
        told = by_endpoint[endpoint]
        assert (told["calls"], told["input_tokens"]) == (calls, tokens)
        assert 0 < told["latency_ms_p50"] <= told["latency_ms_p95"] <= told["latency_ms_p99"] <= longest
    assert by_endpoint["failing"]["errors"] + by_endpoint["failing"]["cancelled"] == by_endpoint["failing"]["calls"]
    [(total,)] = rows(counted, "SELECT count(*) FROM endpoint_usage")
    for group in ("user", "day", "entity", "tag:team", "usage_context:project"):
        assert sum(each["calls"] for each in usage(counted, f"group_by={group}")) == total
    teams = {each["group"]["tag:team"] for each in usage(counted, "group_by=tag:team")}
    assert teams == {"a", None}
    assert [each["calls"] for each in usage(counted, "group_by=usage_context:project&endpoint=echo")][-1] == 1
    assert usage(counted, "from=2100-01-01") == []
    pages = [usage(counted, f"group_by=endpoint&limit=1&page_token={number}") for number in range(len(by_endpoint))]
    assert [page[0]["group"]["endpoint"] for page in pages] == sorted(by_endpoint)


def test_costs(counted: Live) -> None:
    """A price of the endpoint's own holds: row, sum, log and metrics have what the tokens cost; a model without one has
    an unknown cost, in words of the API null."""
    counted.ask("wordy", client_request_id="unpriced")
    counted.ask("echo", client_request_id="paid")
    sql = "SELECT cost_nano_usd FROM endpoint_usage WHERE client_request_id = 'paid'"
    unpriced = "SELECT cost_nano_usd FROM endpoint_usage WHERE client_request_id = 'unpriced'"
    wait_until(lambda: rows(counted, unpriced) == [(None,)], "the row without a cost")
    wait_until(lambda: rows(counted, sql), "the row")
    assert rows(counted, sql) == [(11 * 1500 + 7 * 6000,)]
    [(cost,)] = rows(counted, "SELECT sum(cost_nano_usd) FROM endpoint_usage WHERE endpoint_name = 'echo'")
    for query in ("endpoint=echo", "endpoint=echo&group_by=minute", "endpoint=echo&group_by=hour"):
        assert sum(each["cost_usd"] for each in usage(counted, query)) == pytest.approx(cost / 1e9)
    [wordy] = usage(counted, "endpoint=wordy")
    assert wordy["unpriced_calls"]
    metrics = counted.request("GET", "/metrics").body.decode()
    assert 'cloche_cost_usd_total{endpoint="echo",entity="echo",status="2xx"} ' in metrics


def test_prices_are_checked(counted: Live) -> None:
    """A price that is none, one twice, and one of an entity that is not there are told with their path."""
    rules = {"prices": [{"served_entity_name": "echo", "input_per_million": -1, "output_per_million": 6}]}
    reply = counted.request("PUT", "/api/2.0/serving-endpoints/uncounted/ai-gateway", rules)
    assert (reply.status, "prices[0].input_per_million" in reply.json()["message"]) == (400, True)
    free = {"served_entity_name": "x", "input_per_million": 0, "output_per_million": 0}
    reply = counted.request("PUT", "/api/2.0/serving-endpoints/uncounted/ai-gateway", {"prices": [free, free]})
    assert (reply.status, "prices[1].served_entity_name" in reply.json()["message"]) == (400, True)
    reply = counted.request("PUT", "/api/2.0/serving-endpoints/uncounted/ai-gateway", {"prices": [free]})
    assert (reply.status, "'x' is no served entity" in reply.json()["message"]) == (400, True)


def test_sums_as_csv(counted: Live) -> None:
    """By `format=csv` there is a line of names and one for each group."""
    reply = counted.request("GET", "/api/2.0/usage?group_by=endpoint,user&format=csv")
    names, *lines = reply.body.decode().splitlines()
    assert reply.headers["content-type"].startswith("text/csv")
    assert names.startswith("endpoint,user,calls,errors,")
    assert len(lines) == len(usage(counted, "group_by=endpoint,user"))


@pytest.mark.parametrize("query", ["group_by=colour", "group_by=tag", "from=yesterday", "limit=0", "format=xml"])
def test_what_cannot_be_asked_is_refused(counted: Live, query: str) -> None:
    """A query that means nothing is answered 400 with the parameter's name."""
    reply = counted.request("GET", f"/api/2.0/usage?{query}")
    assert (reply.status, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert reply.json()["message"].startswith(query.partition("=")[0])


def test_others_see_their_own(counted: Live) -> None:
    """A user sees their own calls, and those of others at an endpoint only once they manage it."""
    made = counted.request("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "bot"}).json()
    bot = made["applicationId"]
    lent = counted.request("POST", "/api/2.0/token-management/on-behalf-of/tokens", {"application_id": bot})
    token = lent.json()["token_value"]
    assert usage(counted, "group_by=user", token) == []
    endpoint = counted.request("GET", "/api/2.0/serving-endpoints/echo").json()["id"]
    path = f"/api/2.0/permissions/serving-endpoints/{endpoint}"

    def give(level: str) -> None:
        acl = [{"service_principal_name": bot, "permission_level": level}]
        assert counted.request("PATCH", path, {"access_control_list": acl}).status == 200

    def answered() -> bool:
        return counted.request("POST", invocations("echo"), chat(client_request_id="bot"), token=token).status == 200

    # The other worker may learn of a right a moment later.
    give("CAN_QUERY")
    wait_until(answered, "the right to query")
    wait_until(
        lambda: rows(counted, "SELECT 1 FROM endpoint_usage WHERE client_request_id = 'bot' AND status_code = 200"),
        "the row",
    )
    [own] = usage(counted, "group_by=user", token)
    assert (own["group"]["user"], own["calls"] - own["errors"]) == (bot, 1)
    give("CAN_MANAGE")
    assert counted.ask("echo").status == 200
    wait_until(lambda: len(usage(counted, "group_by=user", token)) > 1, "the right to manage")
    assert {each["group"]["user"] for each in usage(counted, "group_by=user", token)} == {"admin", bot}
    assert {each["group"]["endpoint"] for each in usage(counted, "group_by=endpoint", token)} == {"echo"}
