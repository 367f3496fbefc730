"""From the first words to the last: start errors, tokens, TLS, logs and the end by a signal."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from edge_client import ASK, ASK_STREAM, TOKEN, Connection, call, request
from edge_server import BOTH, command, environment, serving, write_config
from edge_upstream import STREAM_HEAD, Peer, chunked, events, hangs, streams

QUICK_KEEP_ALIVE = (
    "import cloche.http.server as server; server.KEEP_ALIVE_SECONDS = 0.5; from cloche.cli.main import main; main()"
)


def run(config: Path, home: Path, *flags: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A start that should fail."""
    settings = {"admin_token": TOKEN} | settings
    environ = environment(home, **settings)
    return run_to_end(command(config, *flags), environ)


def run_to_end(
    start: list[str], environ: dict[str, str], prepare: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command and what it said.  `prepare` runs in its process first."""
    return subprocess.run(
        start, env=environ, capture_output=True, text=True, timeout=60, preexec_fn=prepare, check=False
    )


# ---------------------------------------------------------------- the end


@BOTH
def test_sigterm_lets_running_answers_finish(tmp_path: Path, lane: bool) -> None:
    """After SIGTERM a running stream comes to its end, nobody new gets in, idle clients are let go, and 0 is left."""
    with serving(tmp_path, lane=lane) as edge:
        edge.provider.play = streams(events(["a", "b", "c", "d"]), pause=0.3)
        with Connection(edge.port) as busy, Connection(edge.port) as idle:
            idle.send(request(b"", path=b"/health", method=b"GET"))
            assert idle.answer().status == 200
            busy.send(request(ASK_STREAM))
            assert busy.head()[0] == 200
            edge.terminate()
            assert idle.rest() == b""
            time.sleep(0.1)
            with socket.socket() as late:
                assert late.connect_ex(("127.0.0.1", edge.port)) == errno.ECONNREFUSED
            assert busy.rest().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert edge.join() == 0
        assert "Traceback" not in edge.log


@BOTH
def test_answers_beyond_the_drain_limit_end_with_an_error_event(tmp_path: Path, lane: bool) -> None:
    """What is not finished in time is told so, the provider is let go, and the exit status is 0 all the same."""
    gone: list[float] = []
    with serving(tmp_path, lane=lane, drain_seconds=1) as edge:
        edge.provider.play = hangs(STREAM_HEAD + chunked(events()[0]), gone)
        with Connection(edge.port) as streaming, Connection(edge.port) as waiting:
            waiting.send(request())
            streaming.send(request(ASK_STREAM))
            assert streaming.head()[0] == 200
            edge.terminate()
            rest = streaming.rest()
            assert b"TEMPORARILY_UNAVAILABLE" in rest
            assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert waiting.answer().status == 503
        assert edge.join() == 0
        assert "Traceback" not in edge.log


def test_what_is_queued_at_sigterm_does_not_get_into_the_answer_under_way(tmp_path: Path) -> None:
    """Requests pipelined behind a stream are dropped at the end of the drain, and the stream ends as any other."""
    with serving(tmp_path, drain_seconds=1) as edge:
        edge.provider.play = hangs(STREAM_HEAD + chunked(events()[0]), [])
        with Connection(edge.port) as connection:
            connection.send(request(ASK_STREAM) + request() + request(auth=b"") + request(ASK_STREAM))
            assert connection.head()[0] == 200
            edge.terminate()
            rest = connection.rest()
        assert rest.count(b"[DONE]") == 1
        assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert b"HTTP/1.1" not in rest
        assert edge.join(10) == 0
        assert "Traceback" not in edge.log


def test_a_request_half_read_at_sigterm_is_no_reason_to_stay(tmp_path: Path) -> None:
    """A client that never completes its request does not hold the server beyond the drain limit."""
    with serving(tmp_path, drain_seconds=1) as edge, Connection(edge.port) as connection:
        connection.send(request()[:-1])
        time.sleep(0.1)
        edge.terminate()
        assert edge.join(10) == 0


def test_a_silent_stream_gets_newlines(tmp_path: Path) -> None:
    """While a provider is silent in the middle of a stream, the client gets bare newlines and nothing else."""

    def pausing(peer: Peer) -> None:
        peer.send(STREAM_HEAD + chunked(events()[0]), pause=2.0)
        peer.send(*map(chunked, [*events()[1:], b""]))

    with serving(tmp_path, started_by=[sys.executable, "-c", QUICK_KEEP_ALIVE]) as edge:
        edge.provider.play = pausing
        got = call(edge.port, request(ASK_STREAM))
        assert b"\n\n\n" in got.body
        assert not [line for line in got.body.split(b"\n") if line and not line.startswith(b"data: ")]
        assert got.events[-1] == "[DONE]"


# ---------------------------------------------------------------- the start


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """Where the port is taken the start fails with a line that names it, and exit status 1."""
    config = write_config(tmp_path / "endpoints.json", 9)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(config, tmp_path / "home", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def with_credentials(config: Path, **credentials: str) -> None:
    """Let the provider's key be something else."""
    endpoints = json.loads(config.read_text())
    model = endpoints[0]["config"]["served_entities"][0]["external_model"]
    model["custom_provider_config"]["bearer_token_auth"] = credentials
    config.write_text(json.dumps(endpoints))


def test_provider_settings_are_checked_before_anything_is_touched(tmp_path: Path) -> None:
    """A start that a provider's settings forbid ends with 2, makes nothing, and leaves the first token to the next."""
    config = write_config(tmp_path / "endpoints.json", 9)
    with_credentials(config, token="no reference")
    done = run(config, tmp_path / "home", admin_token="")
    assert done.returncode == 2, done.stderr
    assert "config.served_entities[0].external_model.custom_provider_config.bearer_token_auth.token" in done.stderr
    assert not (tmp_path / "home").exists()
    with serving(tmp_path, admin_token=None) as edge:
        assert re.search(r"token +dapi[0-9a-f]{32}", edge.said)


def test_a_secret_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    """A declared endpoint that refers to no secret ends the start with 2; nothing of it is kept, and no token made."""
    config = write_config(tmp_path / "endpoints.json", 9)
    with_credentials(config, token="{{secrets/scope/key}}")
    done = run(config, tmp_path / "home", admin_token="")
    assert done.returncode == 2, done.stderr
    where = "endpoints.json:1: [0].config.served_entities[0].external_model.custom_provider_config"
    assert where in done.stderr
    assert "there is no secret" in done.stderr
    with serving(tmp_path, admin_token=None) as edge:
        assert re.search(r"token +dapi[0-9a-f]{32}", edge.said)


def test_a_start_that_fails_late_makes_no_token(tmp_path: Path) -> None:
    """Where the words with the token cannot be reached, the next start says them."""
    config = write_config(tmp_path / "endpoints.json", 9)
    fails = "import cloche.http.server as s; s.Server.run_on = None; from cloche.cli.main import main; main()"
    start = [sys.executable, "-c", fails, *command(config)[3:]]
    assert run_to_end(start, environment(tmp_path / "home")).returncode == 1
    assert (tmp_path / "home" / "cloche.db").exists()
    with serving(tmp_path, admin_token=None) as edge:
        assert re.search(r"token +dapi[0-9a-f]{32}", edge.said)


@pytest.mark.parametrize("wrong", ["cert", "key"])
def test_tls_files_that_are_none_are_named(tmp_path: Path, wrong: str) -> None:
    """A certificate or key that cannot be read ends the start with 1 and a line that names the file."""
    config = write_config(tmp_path / "endpoints.json", 9)
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(good))
    bad.write_text("no PEM")
    cert, key = (bad, good) if wrong == "cert" else (good, bad)
    done = run(config, tmp_path / "home", "--tls-cert", str(cert), "--tls-key", str(key))
    assert done.returncode == 1
    assert f"tls_{wrong}: {bad} is no" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_shared_proxy_variable_stops_only_who_needs_it(tmp_path: Path) -> None:
    """HTTPS_PROXY with a proxy that is not known: refused where an endpoint is external, else a warning."""
    config = write_config(tmp_path / "endpoints.json", 9)
    proxied = {"HTTPS_PROXY": "https://u:pa55@proxy:3128"}
    done = run_to_end(command(config), environment(tmp_path / "home") | proxied)
    assert done.returncode == 2
    assert "https_proxy (HTTPS_PROXY or https_proxy): a proxy must be given as" in done.stderr
    assert "pa55" not in done.stderr
    config.write_text("[]")
    process = subprocess.Popen(
        command(config),
        env=environment(tmp_path / "home") | proxied,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert any("ready at" in line for line in process.stdout)
    finally:
        process.terminate()
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "WARNING" in told
    assert "no endpoint needs it" in told


def test_a_full_disk_is_a_clear_start_error(tmp_path: Path) -> None:
    """Where the database cannot grow the start fails with a line that names its file."""
    config = write_config(tmp_path / "endpoints.json", 9)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    environ = environment(tmp_path / "home", admin_token=TOKEN)
    done = run_to_end(command(config), environ, no_room)
    assert done.returncode == 1
    assert "cloche.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_listening_beyond_loopback_without_tls_warns(tmp_path: Path) -> None:
    """Who opens the server to the network without TLS is warned, and who does not is not."""
    with serving(tmp_path, "--host", "0.0.0.0", "--allow-upstream", "127.0.0.0/8") as edge:
        assert call(edge.port).status == 200
        assert "WARNING" in edge.wait_for_log("without TLS")
    with serving(tmp_path) as edge:
        assert call(edge.port).status == 200
        assert "without TLS" not in edge.log


# ---------------------------------------------------------------- TLS


@BOTH
def test_tls_serves_the_same(tmp_path: Path, lane: bool) -> None:
    """With a certificate everything is served over TLS; a client that speaks plain HTTP there gets no answer."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    pem = str(tmp_path / "both.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with serving(tmp_path, "--tls-cert", pem, "--tls-key", pem, lane=lane) as edge:
        assert edge.url.startswith("https://")
        with Connection(edge.port, tls=trust) as connection:
            for raw in (request(), request(ASK_STREAM), request(b"", path=b"/health", method=b"GET")):
                connection.send(raw)
                got = connection.answer()
                assert (got.status, got.whole) == (200, True)
        with Connection(edge.port) as plain:
            plain.send(request())
            assert b"HTTP" not in plain.rest()
        with Connection(edge.port, tls=trust) as connection:
            connection.send(request())
            assert connection.answer().status == 200
        edge.terminate()
        assert edge.join() == 0
        assert "Traceback" not in edge.log


# ---------------------------------------------------------------- secrets


def test_the_first_token_is_shown_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    """The first start prints a token that opens the server; later ones do not, and no file or log holds it."""
    with serving(tmp_path, admin_token=None) as edge:
        token = re.search(r"\b(dapi[0-9a-f]{32})\b", edge.said)
        assert token
        secret = token[1]
        auth = f"Authorization: Bearer {secret}\r\n".encode()
        assert call(edge.port, request(auth=auth)).status == 200
        edge.terminate()
        assert edge.join() == 0
        first_log = edge.log
        assert edge.said.count(secret) == 2  # by itself, and in the query to paste
    with serving(tmp_path, admin_token=None) as edge:
        assert call(edge.port, request(auth=auth)).status == 200
        assert "dapi" not in edge.said
        logs = first_log + edge.log
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert kept
    for text in (secret, secret.removeprefix("dapi")):
        assert text not in logs
        assert text.encode() not in kept
        assert bytes.fromhex(secret.removeprefix("dapi")) not in kept


@pytest.mark.parametrize("form", ["plain", "json"])
def test_prompts_answers_and_credentials_stay_out_of_logs_and_files(tmp_path: Path, form: str) -> None:
    """Nothing of a call's content is written anywhere, whether it succeeds, streams or fails."""
    prompt = ASK.replace(b"What is a bell?", b"Zitronenfalter")
    with serving(tmp_path, log_format=form) as edge:
        for raw in (
            request(prompt),
            request(prompt[:-1] + b',"stream":true}'),
            request(prompt[:-1] + b',"temperature":"Zitronenfalter"}'),
            request(prompt, auth=b"Authorization: Bearer Zitronenfalter\r\n"),
            request(prompt[:-1]),
        ):
            last = call(edge.port, raw)
        edge.wait_for_log(last.headers["x-request-id"])
        log = edge.log
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json")
    for text in ("Zitronenfalter", "Glass", TOKEN, "provider-secret"):
        assert text not in log
        assert text.encode() not in kept


# ---------------------------------------------------------------- logs


@BOTH
def test_each_call_has_one_line_with_its_id(tmp_path: Path, lane: bool) -> None:
    """The ids of all answers are in the log, each in one line; both id headers agree."""
    with serving(tmp_path, lane=lane, log_format="json") as edge:
        wanted = [
            call(edge.port, raw)
            for raw in (
                request(),
                request(ASK_STREAM),
                request(auth=b""),
                request(b"{"),
                request(b"", path=b"/health", method=b"GET"),
                request(b"", path=b"/nowhere", method=b"GET"),
            )
        ]
        ids = [got.headers["x-request-id"] for got in wanted]
        assert ids == [got.headers["databricks-request-id"] for got in wanted]
        assert len(set(ids)) == len(ids)
        log = edge.wait_for_log(ids[-1])
        for call_id, got in zip(ids, wanted, strict=True):
            lines = [line for line in log.splitlines() if call_id in line]
            assert len(lines) == 1
            assert f'"status":{got.status}' in lines[0].replace(" ", "")


@pytest.mark.parametrize("sink", ["closed pipe", "full device"])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, sink: str) -> None:
    """When stderr is closed or full, calls are answered as before."""
    config = write_config(tmp_path / "endpoints.json", 9)
    environ = environment(tmp_path / "home", admin_token=TOKEN)
    read_end, write_end = os.pipe()
    if sink == "closed pipe":
        os.close(read_end)
    else:
        os.close(write_end)
        write_end = os.open("/dev/full", os.O_WRONLY)
    process = subprocess.Popen(command(config), env=environ, stdout=subprocess.PIPE, stderr=write_end)
    try:
        assert process.stdout is not None
        port = 0
        while not port:
            line = process.stdout.readline()
            assert line, "the server did not start"
            match = re.search(rb"ready at http://127.0.0.1:(\d+)", line)
            port = int(match[1]) if match else 0
        for _ in range(50):
            assert call(port, request(b"", path=b"/health", method=b"GET")).status == 200
            assert call(port).status == 503  # nobody listens at the provider's port
        process.terminate()
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(write_end)
        if sink != "closed pipe":
            os.close(read_end)
        if process.stdout is not None:
            process.stdout.close()
