"""Keys of the host over real sockets: they are obtained once, the call is signed with them, and AWS would take it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloche.domain.errors import Problem, ProviderCredentials
from cloche.domain.outbound import HttpCall, Origin, Timeouts
from cloche.gateway.credentials import Credentials
from cloche.gateway.obtaining import HostAccess
from cloche.providers.aws_credentials import HostKeys
from cloche.providers.aws_signing import AwsSignature
from cloche.providers.base import render_head
from cloche.upstream import Upstream, UpstreamOptions

from .aws_verifier import verified

SECRETS = {"OF-HOST": "secret/of+instance", "OF-ROLE": "secret/of+role", "OF-WEB": "secret/of+token"}
ROLE = "arn:aws:iam::123456789012:role/serving"
TARGET = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"


class Aws(ThreadingHTTPServer):
    """Instance metadata, STS and Bedrock at one address.  `asked`: method and path of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keys(self, role_arn: str | None) -> HostKeys:
        """The host's keys, all its services here."""
        here = Origin("127.0.0.1", self.server_address[1], of_host=True)
        return HostKeys(role_arn, "eu-west-1", metadata=here, container=here, sts=self.url)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Aws

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append(f"{self.command} {self.path}")
        status, data = self._said(body)
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _answer

    def _said(self, body: bytes) -> tuple[int, bytes]:
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.path == "/latest/api/token":
            return 200, b"session"
        if self.path.startswith(roles):
            if self.headers["x-aws-ec2-metadata-token"] != "session":
                return 401, b""
            return 200, b"serving" if self.path == roles else _keys("OF-HOST", "Token")
        if self.path == "/" and b"WebIdentityToken=ey.J.w" in body:
            return 200, _of_sts("AssumeRoleWithWebIdentity", "OF-WEB")
        if not self._verified(body):
            return 403, b'{"Error": {"Code": "SignatureDoesNotMatch"}}'
        if self.path == "/":
            return 200, _of_sts("AssumeRole", "OF-ROLE")
        return 200, self.headers["authorization"].split("Credential=")[1].split("/")[0].encode()

    def _verified(self, body: bytes) -> bool:
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        key = self.headers["authorization"].split("Credential=")[1].split("/")[0]
        token = self.headers["x-amz-security-token"]
        return token == f"token {key}" and verified(f"{self.requestline}\r\n{fields}".encode(), body, SECRETS[key])

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _keys(key: str, token: str) -> bytes:
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    keys = {"AccessKeyId": key, "SecretAccessKey": SECRETS[key], token: f"token {key}", "Expiration": end}
    return json.dumps(keys).encode()


def _of_sts(action: str, key: str) -> bytes:
    keys = json.loads(_keys(key, "SessionToken"))
    return json.dumps({f"{action}Response": {f"{action}Result": {"Credentials": keys}}}).encode()


@pytest.fixture
def aws() -> Iterator[Aws]:
    """AWS, as far as it matters here."""
    with Aws() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class _Heard:
    """A Receiver that waits for the end."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.problem: Problem | None = None
        self.over = asyncio.Event()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Part of Receiver."""
        self.status = status

    def on_data(self, data: bytes) -> None:
        """Part of Receiver."""
        self.body += data

    def on_end(self) -> None:
        """Part of Receiver."""
        self.over.set()

    def on_failure(self, problem: Problem) -> None:
        """Part of Receiver."""
        self.problem = problem
        self.over.set()


def ask(aws: Aws, role_arn: str | None, variables: Mapping[str, str] | None, times: int = 1) -> list[_Heard]:
    """Call the model so many times at once, and once more afterwards."""

    async def main() -> list[_Heard]:
        upstream = Upstream(UpstreamOptions())
        credentials = Credentials(upstream.send, HostAccess(variables))
        origin = Origin("127.0.0.1", aws.server_address[1])

        def send() -> _Heard:
            signature = AwsSignature("bedrock", "eu-west-1", aws.keys(role_arn))
            call = HttpCall(origin, render_head(origin, TARGET, {"accept": "*/*"}), [b"{", b"}"], signature)
            heard = _Heard()
            credentials.send(call, heard, Timeouts())
            return heard

        all_heard = [send() for _ in range(times)]
        async with asyncio.timeout(30):
            for heard in all_heard:
                await heard.over.wait()
            all_heard.append(send())
            await all_heard[-1].over.wait()
        await upstream.close()
        return all_heard

    return asyncio.run(main())


METADATA = [
    "PUT /latest/api/token",
    "GET /latest/meta-data/iam/security-credentials/",
    "GET /latest/meta-data/iam/security-credentials/serving",
]


def test_keys_of_an_instance(aws: Aws) -> None:
    """Calls at once and calls after share the keys, and each is signed so that AWS takes it."""
    heard = ask(aws, None, {}, times=3)
    assert [(each.status, each.body, each.problem) for each in heard] == [(200, b"OF-HOST", None)] * 4
    assert aws.asked == METADATA + [f"POST {TARGET}"] * 4


def test_a_role_on_top(aws: Aws) -> None:
    """The instance's keys sign for the role's, and those sign the calls."""
    heard = ask(aws, ROLE, {})
    assert [(each.status, each.body) for each in heard] == [(200, b"OF-ROLE")] * 2
    assert aws.asked == [*METADATA, "POST /", f"POST {TARGET}", f"POST {TARGET}"]


def test_a_web_identity(aws: Aws, tmp_path: Path) -> None:
    """The token is read from the file that the environment names."""
    (tmp_path / "token").write_text("ey.J.w\n")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}
    heard = ask(aws, None, variables)
    assert [(each.status, each.body) for each in heard] == [(200, b"OF-WEB")] * 2
    assert aws.asked == ["POST /", f"POST {TARGET}", f"POST {TARGET}"]


def test_where_the_operator_allows_nothing(aws: Aws) -> None:
    """Nothing of the host is asked for or read, and the caller is told what the operator has to do."""
    for heard in ask(aws, None, None):
        assert isinstance(heard.problem, ProviderCredentials)
        assert "--allow-host-credentials" in heard.problem.message
    assert aws.asked == []
