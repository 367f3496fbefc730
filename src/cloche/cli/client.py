"""A small HTTP client for the command line: one call at a time, answers whole or streamed.

It speaks the public API and nothing else, so it works with any server of that API.  Its errors are for people: what
could not be reached, which token was refused and where that token came from.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from cloche.cli import exits
from cloche.cli.exits import Failure
from cloche.settings import Client

CONNECT_SECONDS = 5
ANSWER_SECONDS = 600

ENDPOINTS = "/api/2.0/serving-endpoints"

Json = dict[str, Any]


class Refused(Failure):
    """The server's refusal.  `faults`: (field path, what is wrong) for each fault of the body, where it told them."""

    def __init__(self, message: str, code: int, faults: list[tuple[str, str]]) -> None:
        super().__init__(message, code)
        self.faults = faults


class Answer:
    """A streamed answer: iterate for its text.  `finish_reason` is known at the end."""

    def __init__(self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self._response = response
        self._connection = connection
        self.finish_reason: str | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            for line in self._response:
                if not line.startswith(b"data:"):
                    continue
                event = line[5:].strip()
                if event == b"[DONE]":
                    return
                yield self._text(_object(event))
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"the answer was cut off: {error}") from error
        finally:
            self.close()
        raise Failure("the answer was cut off: the server closed the stream before its end")

    def close(self) -> None:
        """Hang up; the server then stops the answer."""
        self._response.close()
        self._connection.close()

    def _text(self, event: Json) -> str:
        if "error" in event:
            raise Failure(f"the answer broke off: {_told(event, 'no reason given')}")
        choices = event.get("choices") or [{}]
        self.finish_reason = choices[0].get("finish_reason") or self.finish_reason
        return plain((choices[0].get("delta") or {}).get("content"))


class Server:
    """The server that the settings name.  Every method raises Failure with a message and an exit code."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, path: str) -> Json:
        """GET an object."""
        return _object(self.call("GET", path))

    def post(self, path: str, body: object) -> Json:
        """POST an object, be answered with one."""
        return _object(self.call("POST", path, body))

    def put(self, path: str, body: object) -> Json:
        """PUT an object, be answered with one."""
        return _object(self.call("PUT", path, body))

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """The answer's bytes."""
        response, connection = self._send(method, path, body)
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{self._client.url} broke off its answer: {error}") from error
        finally:
            connection.close()

    def ask(self, endpoint: str, request: Json) -> Answer:
        """Stream a chat answer.  `request`: the body of the chat API, `stream` is added."""
        response, connection = self._send("POST", invocations(endpoint), request | {"stream": True})
        kind = response.getheader("content-type") or ""
        if not kind.startswith("text/event-stream"):
            connection.close()
            raise Failure(f"{self._client.url} answered with {kind or 'no content type'} instead of a stream")
        return Answer(response, connection)

    def events(self, path: str) -> Iterator[tuple[str, Json]]:
        """What the server tells, event by event: name and object.  Ends when the server ends it."""
        response, connection = self._send("GET", path, None)
        name = ""
        try:
            for line in response:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, _object(value.encode())
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{self._client.url} broke off: {error}") from error
        finally:
            response.close()
            connection.close()

    def _send(
        self, method: str, path: str, body: object
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        connection = self._connect()
        payload = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, path, payload, self._headers())
            response = connection.getresponse()
            if response.status >= 400:
                raise self._refusal(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Failure(f"{self._client.url} did not answer: {type(error).__name__} {error}") from error
        except Failure:
            connection.close()
            raise
        return response, connection

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._client.url)
        try:
            if parts.scheme == "https":
                trust = ssl.create_default_context(cafile=self._client.ca_bundle)
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    parts.netloc, timeout=CONNECT_SECONDS, context=trust
                )
            else:
                connection = http.client.HTTPConnection(parts.netloc, timeout=CONNECT_SECONDS)
            connection.connect()
        except ConnectionRefusedError as error:
            raise Failure(
                f"no server at {self._client.url} ({self._client.url_source}): start one with `cloche serve`",
                exits.CONNECT,
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise Failure(
                f"cannot reach {self._client.url} ({self._client.url_source}): {error}", exits.CONNECT
            ) from error
        connection.sock.settimeout(ANSWER_SECONDS)
        return connection

    def _headers(self) -> dict[str, str]:
        headers = {"accept": "application/json", "content-type": "application/json", "user-agent": "cloche-cli"}
        token = self._client.token
        if token is not None:
            if not (token.isascii() and token.isprintable()):
                raise Failure(f"the token from {self._client.token_source} is not plain ASCII", exits.AUTH)
            headers["authorization"] = f"Bearer {token}"
        return headers

    def _refusal(self, status: int, body: bytes) -> Failure:
        told = f"{status}"
        answer: Json = {}
        try:
            answer = _object(body)
            told = _told(answer, told)
        except Failure:
            pass  # not our server's words; the status must do
        if status == 401:
            source = self._client.token_source
            hint = f"the token came from {source}" if source else "no token: pass --token or set CLOCHE_TOKEN"
            return Failure(f"{told} ({hint})", exits.AUTH)
        return Refused(told, {403: exits.AUTH, 404: exits.NOT_FOUND}.get(status, exits.ERROR), _faults(answer))


def endpoint_path(name: str, below: str = "") -> str:
    """The path of an endpoint in the API, or of something below it."""
    return f"{ENDPOINTS}/{quote(name, safe='')}{below}"


def invocations(endpoint: str) -> str:
    """The path that chat requests to an endpoint go to."""
    return f"/serving-endpoints/{quote(endpoint, safe='')}/invocations"


def plain(content: object) -> str:
    """The text of a message's content, which is text, a list of parts, or nothing."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _object(data: bytes) -> Json:
    try:
        return msgspec.json.decode(data or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failure(f"the server's answer is no JSON object: {error}") from error


def _told(answer: Json, otherwise: str) -> str:
    """The message in an error body, in either shape: flat, or inside `error`."""
    inner = answer.get("error")
    told = inner if isinstance(inner, dict) else answer
    code, message = told.get("error_code") or told.get("code"), told.get("message")
    return f"{code}: {message}" if code and message else str(message or code or otherwise)


def _faults(answer: Json) -> list[tuple[str, str]]:
    """The fields that an error body names, as google.rpc's BadRequest has them."""
    details = answer.get("details")
    violations = [
        violation
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
        for violation in detail.get("field_violations") or ()
    ]
    return [(str(each.get("field") or ""), str(each.get("description") or "")) for each in violations]
