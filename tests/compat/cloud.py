"""A cloud that lends tokens and takes them: Google's and Microsoft's token servers, with models behind them.

Each account, told apart by its name, behaves as it is set to; what it was asked for and lent is kept.  A call is
answered only if it bears a token that was lent and has not ended.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

import jwt

from providers.google_keys import private_key

from .abroad import ANSWERS, Event, encode_event

INDISCREET = "indiscreet"
"""A request with this word in it is refused, with its token in the words."""

TOLERATED = 300
"""Seconds that a statement's time may be off."""


class Account:
    """One account.  `keys`: the numbers of those it knows.  `life`: of its tokens, in seconds.  `down`: its tokens are
    not lent now.  `delay`: seconds that it takes to lend one.  `skew`: seconds that its clock is ahead."""

    def __init__(self) -> None:
        self.keys = {0}
        self.life = 3600
        self.down = False
        self.delay = 0.0
        self.skew = 0.0
        self.asked = 0
        self.lent: list[str] = []
        self.used: list[str] = []


class Cloud(ThreadingHTTPServer):
    """Listens on a free port of loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.accounts: dict[str, Account] = {}
        self.lock = Lock()

    def account(self, name: str) -> Account:
        """The account of that name, made if it is not there."""
        with self.lock:
            return self.accounts.setdefault(name, Account())

    def lend(self, name: str) -> str:
        """A new token."""
        account = self.account(name)
        with self.lock:
            token = f"ya29.{name}-{len(account.lent) + 1}-{int(time.time() + account.life)}"
            account.lent.append(token)
        return token

    def knows(self, token: str) -> bool:
        """Whether a call with that token is answered; it is noted."""
        name, _, end = token.removeprefix("ya29.").rsplit("-", 2)
        account = self.account(name)
        with self.lock:
            account.used.append(token)
        return token in account.lent and time.time() < int(end)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Cloud
    skew = 0.0

    def do_POST(self) -> None:
        """Lend a token, or answer as a model."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if "form" in self.headers["content-type"]:
            self._token({name: value for name, [value] in parse_qs(body.decode()).items()})
        elif self.server.knows(self.headers["authorization"].removeprefix("Bearer ")):
            if INDISCREET in body.decode():
                self._send(400, {"error": {"code": 400, "message": f"{INDISCREET}: {self.headers['authorization']}"}})
            else:
                self._answer(json.loads(body))
        else:
            self._send(401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no such token"}})

    def _token(self, asked: dict[str, str]) -> None:
        name = self._name(asked)
        account = self.server.account(name)
        with self.server.lock:
            account.asked += 1
        time.sleep(account.delay)
        self.skew = account.skew
        if account.down:
            self._send(503, {"error": "temporarily_unavailable"})
        elif self._trusted(asked, account):
            self._send(200, {"access_token": self.server.lend(name), "expires_in": account.life})
        else:
            self._send(400, {"error": "invalid_grant", "error_description": json.dumps(asked)})

    def _name(self, asked: dict[str, str]) -> str:
        """Who asks: the account that signed, the application, or the bearer of another place's token."""
        signed = asked.get("assertion") or asked.get("subject_token")
        if signed is None:
            return asked["client_id"]
        return str(jwt.decode(signed, options={"verify_signature": False})["iss"]).partition("@")[0]

    def _trusted(self, asked: dict[str, str], account: Account) -> bool:
        if "client_secret" in asked:
            return asked["client_secret"] == f"secret-of-{asked['client_id']}"
        if "subject_token" in asked:
            return True
        number = int(jwt.get_unverified_header(asked["assertion"])["kid"].partition("-")[2])
        if number not in account.keys:
            return False
        now = time.time() + account.skew
        public, audience = private_key(number).public_key(), f"{self.server.url}/token"
        lax: jwt.types.Options = {"verify_iat": False, "verify_exp": False}
        try:
            claims = jwt.decode(asked["assertion"], public, ["RS256"], audience=audience, options=lax)
        except jwt.InvalidTokenError:
            return False
        return abs(int(claims["iat"]) - now) < TOLERATED

    def _answer(self, body: Event) -> None:
        if self.path.endswith(":predict"):
            vectors = [{"embeddings": {"values": [0.5], "statistics": {"token_count": 2}}} for _ in body["instances"]]
            self._send(200, {"predictions": vectors})
            return
        whole, events = ANSWERS["/v1/messages" if "anthropic" in self.path else "enerateContent"]
        if "chat/completions" in self.path:
            message = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            self._send(200, {"id": "1", "choices": [message], "model": body["model"]})
        elif "stream" in self.path:
            self._send(200, "".join(map(encode_event, events)))
        else:
            self._send(200, whole)

    def _send(self, status: int, value: Any) -> None:
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("content-type", "text/event-stream" if isinstance(value, str) else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date field, by the account's clock."""
        return super().date_time_string((timestamp or time.time()) + self.skew)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
