"""A server with sample data for the pictures of the pages: a shop, five people, six endpoints, a month of calls.

The models behind the endpoints are a scripted provider here; the small local model is the real one.  The names of
people, prices and calls are invented.  Must not know how pictures are taken.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

TOKEN = "dapi0123456789abcdef0123456789abcdef"
PORT = 8080
LOCAL = "smollm2-135m-instruct"
PEOPLE = {
    "maya.lindqvist@example.com": "Maya Lindqvist",
    "kenji.mori@example.com": "Kenji Mori",
    "amara.okafor@example.com": "Amara Okafor",
    "tomas.novak@example.com": "Tomáš Novák",
    "lucia.ferrari@example.com": "Lucia Ferrari",
}
GROUPS = {"support": (0, 3), "engineering": (1, 2, 4), "research": (2,)}
ANSWER = """A cloche keeps a young plant **warm and out of the wind**: glass lets light in and holds the warmth back.

| by day | by night |
| --- | --- |
| lift it when the sun is strong | put it back before dusk |
| water early | leave the soil a little dry |

Take it away for good once the nights stay above 10 °C:

```python
def lift(outside: float) -> bool:
    return outside > 10.0
```
"""
ANSWER_IN_JAPANESE = """クロッシュは若い苗を**暖かく保ち、風から守ります**。ガラスは光を通し、熱を逃がしません。

| 昼 | 夜 |
| --- | --- |
| 日差しが強ければ外す | 日が暮れる前に戻す |
| 水やりは早めに | 土は少し乾かしておく |

夜の気温が 10 °C を下回らなくなったら、もう必要ありません。
"""
PRICES = {"gpt-4o-mini": (0.15, 0.6), "claude-sonnet-4-5": (3.0, 15.0), "mistral-small-latest": (0.1, 0.3)}

URGENT = "frost tonight"

Event = dict[str, Any]


class Scripted(BaseHTTPRequestHandler):
    """A provider that says the same to everybody, as OpenAI or Anthropic would say it."""

    protocol_version = "HTTP/1.1"
    overloaded: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        """One call."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(random.uniform(0.05, 0.2))
        text = ANSWER_IN_JAPANESE if "\\u30" in json.dumps(body) else ANSWER
        if "/down/" in self.path or self._first_urgent(body):
            self._send(503, "application/json", b'{"error": {"message": "The engine is overloaded"}}')
        elif self.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.25] * 8}
            usage = {"prompt_tokens": 9, "total_tokens": 9}
            told = {"object": "list", "model": body["model"], "data": [vector], "usage": usage}
            self._send(200, "application/json", json.dumps(told).encode())
        elif body.get("stream"):
            self._stream(messages_pieces if self.path.endswith("/messages") else pieces, body["model"], text)
        elif self.path.endswith("/messages"):
            content = [{"type": "text", "text": text}]
            long = "contract" in json.dumps(body["messages"])
            usage = {"input_tokens": 42_300 if long else 38, "output_tokens": 1_900 if long else 124}
            told = {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": content}
            self._send(200, "application/json", json.dumps(told | {"stop_reason": "end_turn", "usage": usage}).encode())
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            told = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
            told["usage"] = {"prompt_tokens": 38, "completion_tokens": 124, "total_tokens": 162}
            self._send(200, "application/json", json.dumps(told).encode())

    def _first_urgent(self, body: Event) -> bool:
        """Whoever is asked what is urgent first is overloaded, after a while; the next one is not."""
        if URGENT not in json.dumps(body) or URGENT in self.overloaded:
            return False
        self.overloaded.add(URGENT)
        time.sleep(0.25)
        return True

    def _stream(self, make: Callable[[str, str], Iterator[bytes]], model: str, text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in make(model, text):
            self.wfile.write(piece)
            time.sleep(0.008)

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def pieces(model: str, text: str) -> Iterator[bytes]:
    """The answer as a stream."""
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
    for at in range(0, len(text), 5):
        choice = {"index": 0, "delta": {"content": text[at : at + 5]}, "finish_reason": None}
        yield b"data: " + json.dumps(frame | {"choices": [choice]}).encode() + b"\n\n"
    yield b"data: " + json.dumps(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
    usage = {"prompt_tokens": 38, "completion_tokens": 124, "total_tokens": 162}
    yield b"\n\ndata: " + json.dumps(frame | {"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"


def messages_pieces(model: str, text: str) -> Iterator[bytes]:
    """The answer as a stream of Anthropic's."""
    message = {"id": "m", "type": "message", "role": "assistant", "model": model, "content": []}
    message |= {"stop_reason": None, "usage": {"input_tokens": 38, "output_tokens": 1}}
    events: list[Event] = [{"type": "message_start", "message": message}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for at in range(0, len(text), 5):
        delta = {"type": "text_delta", "text": text[at : at + 5]}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    events.append({"type": "content_block_stop", "index": 0})
    usage = {"output_tokens": 124}
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}
    )
    for event in (*events, {"type": "message_stop"}):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


class Sample:
    """The server.  `home`: where its state is, which must be empty."""

    def __init__(self, home: Path, models: Path) -> None:
        self.url = f"http://127.0.0.1:{PORT}"
        self.home = home
        self.provider = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        self.provider.daemon_threads = True
        threading.Thread(target=self.provider.serve_forever, daemon=True).start()
        environ = {"CLOCHE_HOME": str(home), "CLOCHE_ADMIN_TOKEN": TOKEN, "CLOCHE_MODELS_DIR": str(models)}
        command = [sys.executable, "-m", "cloche", "serve", "--port", str(PORT), "--endpoint", f"quick-answers={LOCAL}"]
        command.append("--no-default-endpoint")
        self.process = subprocess.Popen(
            command, env=environ | {"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                if self.api("GET", "/api/2.0/health")["endpoints"]["ready"]:
                    return
            except (OSError, KeyError):
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit("the sample server did not start")
            time.sleep(0.2)

    def stop(self) -> None:
        """The end."""
        self.process.terminate()
        self.process.wait()
        self.provider.shutdown()

    def api(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Any:
        """One request; its answer, also where it is a refusal.  Of a stream nothing."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                whole = reply.read()
                return json.loads(whole) if reply.headers.get_content_type() == "application/json" else None
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)


def external(provider: str, model: str, base: str, task: str = "chat", **entity: Any) -> Event:
    """A served entity whose provider is the scripted one."""
    group = provider.replace("-", "_")
    settings = {f"{group}_api_key": f"{{{{secrets/providers/{provider}}}}}", f"{group}_api_base": base}
    external = {"name": model, "provider": provider, "task": f"llm/v1/{task}", f"{group}_config": settings}
    return entity | {"external_model": external}


def fill(sample: Sample) -> None:
    """Secrets, people, endpoints, budgets, and a month of calls."""
    base = f"http://127.0.0.1:{sample.provider.server_address[1]}/v1"
    sample.api("POST", "/api/2.0/secrets/scopes/create", {"scope": "providers"})
    for key in ("openai", "anthropic", "mistral"):
        sample.api("POST", "/api/2.0/secrets/put", {"scope": "providers", "key": key, "string_value": "sk-sample"})
    people(sample)
    for each in endpoints(base):
        made = sample.api("POST", "/api/2.0/serving-endpoints", each)
        assert made.get("name") == each["name"], made
    bot = endpoints(base)[0]["config"]
    half = [route | {"traffic_percentage": 50} for route in bot["traffic_config"]["routes"]]
    for routes in (half, bot["traffic_config"]["routes"]):
        sample.api("PUT", "/api/2.0/serving-endpoints/support-bot/config", bot | {"traffic_config": {"routes": routes}})
    for budget in (
        {"name": "everything", "scope": "workspace", "period": "month", "limit_usd": 40, "action": "alert"},
        {"name": "research", "scope": "group", "subject": "research", "period": "month", "limit_usd": 60},
        {"name": "contracts", "scope": "endpoint", "subject": "contract-summary", "period": "day", "limit_usd": 2},
        {"name": "each person", "scope": "user", "period": "day", "limit_usd": 2.5},
    ):
        made = sample.api("POST", "/api/2.0/budgets", {"action": "refuse", "thresholds": [80, 100]} | budget)
        assert "error_code" not in made, made
    allow(sample)
    live_calls(sample)
    time.sleep(3)  # until the calls are written
    past_calls(sample)


def people(sample: Sample) -> None:
    """Users, groups and what some may do."""
    ids = []
    for user_name, shown in PEOPLE.items():
        body = {"userName": user_name, "displayName": shown}
        ids.append(sample.api("POST", "/api/2.0/preview/scim/v2/Users", body)["id"])
    for group, members in GROUPS.items():
        body = {"displayName": group, "members": [{"value": ids[each]} for each in members]}
        sample.api("POST", "/api/2.0/preview/scim/v2/Groups", body)
    for comment, days in (("CI of the shop", 90), ("notebook", 30), ("laptop", 7)):
        sample.api("POST", "/api/2.0/token/create", {"comment": comment, "lifetime_seconds": days * 86_400})


def allow(sample: Sample) -> None:
    """Who else may do what with the bot."""
    bot = sample.api("GET", "/api/2.0/serving-endpoints/support-bot")["id"]
    entries = [
        {"group_name": "support", "permission_level": "CAN_QUERY"},
        {"group_name": "engineering", "permission_level": "CAN_VIEW"},
        {"user_name": "amara.okafor@example.com", "permission_level": "CAN_MANAGE"},
    ]
    told = sample.api("PATCH", f"/api/2.0/permissions/serving-endpoints/{bot}", {"access_control_list": entries})
    assert "error_code" not in told, told


def endpoints(base: str) -> list[Event]:
    """What is served."""
    tracked = {"usage_tracking_config": {"enabled": True}}
    guards = {"input": {"pii": {"behavior": "MASK"}, "invalid_keywords": ["refund code"]}, "output": {"safety": True}}
    limits = [
        {"key": "user", "calls": 60, "renewal_period": "minute"},
        {"key": "endpoint", "tokens": 200_000, "renewal_period": "minute"},
    ]
    mini = external("openai", "gpt-4o-mini", base, name="gpt-4o-mini")
    sonnet = external("anthropic", "claude-sonnet-4-5", base.removesuffix("/v1"), name="claude-sonnet")
    routes = [
        {"served_model_name": "gpt-4o-mini", "traffic_percentage": 90},
        {"served_model_name": "claude-sonnet", "traffic_percentage": 10},
    ]
    bot = {"served_entities": [mini, sonnet], "traffic_config": {"routes": routes}}
    gateway = tracked | {"guardrails": guards, "rate_limits": limits, "fallback_config": {"enabled": True}}
    breaker = {"circuit_breaker_config": {"enabled": True, "min_calls": 3}}
    owner = [{"key": "team", "value": "support"}]
    alone = [
        ("contract-summary", external("anthropic", "claude-sonnet-4-5", base.removesuffix("/v1")), "research"),
        ("product-search", external("openai", "text-embedding-3-small", base, "embeddings"), "shop"),
        ("translate", external("mistral", "mistral-small-latest", base), "shop"),
        ("legacy-faq", external("openai", "gpt-4o-mini", f"{base}/down"), "support"),
    ]
    return [
        {"name": "support-bot", "description": "Answers customers in the shop's chat.", "config": bot}
        | {"tags": owner, "ai_gateway": gateway},
        *(
            {"name": name, "config": {"served_entities": [entity]}, "ai_gateway": tracked | breaker}
            | {"tags": [{"key": "team", "value": team}]}
            for name, entity, team in alone
        ),
    ]


def live_calls(sample: Sample) -> None:
    """Calls that are really made, so that budgets, limits and breakers know of them."""
    say: Event = {"messages": [{"role": "user", "content": "How does a glass cloche protect seedlings?"}]}
    long: Event = {"messages": [{"role": "user", "content": "Summarise this contract: …"}], "max_tokens": 5_000}
    for _ in range(10):
        sample.api("POST", "/serving-endpoints/contract-summary/invocations", long)
    for name, count in (("support-bot", 12), ("translate", 6), ("legacy-faq", 4)):
        for _ in range(count):
            sample.api("POST", f"/serving-endpoints/{name}/invocations", say | {"max_tokens": 300})
    urgent = {"role": "user", "content": f"There is {URGENT}: are my seedlings safe under glass?"}
    fell_back = {"messages": [urgent], "stream": True, "client_request_id": "chat-4711"}
    sample.api("POST", "/serving-endpoints/support-bot/invocations", fell_back)
    sample.api("POST", "/serving-endpoints/product-search/invocations", {"input": "glass bell"})
    sample.api("POST", "/serving-endpoints/quick-answers/invocations", say | {"max_tokens": 24})


COLUMNS = [
    "account_id",
    "workspace_id",
    "databricks_request_id",
    "requester",
    "status_code",
    "request_time",
    "input_token_count",
    "output_token_count",
    "input_character_count",
    "output_character_count",
    "request_streaming",
    "served_entity_id",
    "estimated",
    "endpoint_id",
    "endpoint_name",
    "served_entity_name",
    "duration_ms",
    "first_byte_ms",
    "outcome",
    "error_code",
    "attempts",
    "cost_nano_usd",
]


def past_calls(sample: Sample, days: int = 30) -> None:
    """A month of calls, written straight into the table: fewer at the weekend and at night."""
    dice = random.Random(6)
    known = {each["name"]: each for each in sample.api("GET", "/api/2.0/serving-endpoints")["endpoints"]}
    mix = {
        "support-bot": (0.55, "gpt-4o-mini"),
        "contract-summary": (0.12, "claude-sonnet-4-5"),
        "translate": (0.2, "mistral-small-latest"),
        "quick-answers": (0.13, ""),
    }
    people = list(PEOPLE)
    rows = []
    now = datetime.now(UTC).replace(tzinfo=None)
    for day in range(days):
        date = now - timedelta(days=day)
        busy = (30 if date.weekday() > 4 else 120) * (1 + (days - day) / days)
        for _ in range(int(busy * dice.uniform(0.8, 1.2))):
            at = date - timedelta(minutes=dice.triangular(5, 1435, 400))
            name = dice.choices(list(mix), [share for share, _ in mix.values()])[0]
            rows.append(_row(dice, known[name], mix[name][1], dice.choice(people), at))
    holes = ", ".join("?" * len(COLUMNS))
    with sqlite3.connect(sample.home / "cloche.db", timeout=30) as database:
        for (made,) in database.execute("SELECT databricks_request_id FROM endpoint_usage").fetchall():
            whose = (dice.choice(people), made)
            database.execute("UPDATE endpoint_usage SET requester = ? WHERE databricks_request_id = ?", whose)
        statement = f"INSERT INTO endpoint_usage ({', '.join(COLUMNS)}) VALUES ({holes})"
        database.executemany(statement, rows)


def _row(dice: random.Random, endpoint: Event, model: str, user: str, at: datetime) -> tuple[object, ...]:
    given, taken = dice.randint(40, 1800), dice.randint(20, 700)
    if endpoint["name"] == "contract-summary":
        given *= 22
    fate = dice.random()
    status = 429 if fate < 0.02 else 503 if fate < 0.03 else 200
    if status != 200:
        taken = 0
    entity = endpoint["config"]["served_entities"][0]
    into, out = PRICES.get(model, (0.0, 0.0))
    cost = round((given * into + taken * out) * 1000) if status == 200 else 0
    first = dice.uniform(90, 700)
    code = {429: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE"}.get(status)
    told = (status == 200 and dice.random() < 0.6, entity.get("id"), False, endpoint["id"], endpoint["name"])
    ends = (entity["name"], first + taken * 12, first if status == 200 else None)
    written = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    whose = ("1", "1", str(uuid.UUID(int=dice.getrandbits(128))), user, status, written)
    tokens = (given, taken, given * 4, taken * 4)
    return *whose, *tokens, *told, *ends, "ok" if status == 200 else "error", code, None, cost
