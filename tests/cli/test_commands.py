"""Commands as people run them: output, exit codes, messages."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import cloche
from cloche.cli.main import app

from .conftest import COMMAND, INFO, TOKEN, Run, Stage


def commands(group: typer.Typer, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every group and command."""
    yield path
    for one in group.registered_commands:
        yield (*path, str(one.name))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, (*path, str(inner.name)))


@pytest.mark.parametrize("path", list(commands(app())), ids=" ".join)
def test_every_help_page_has_an_example(path: tuple[str, ...]) -> None:
    """`--help` of the command and of each part of it ends with an example that begins with that very command."""
    shown = CliRunner().invoke(app(), [*path, "--help"])
    assert shown.exit_code == 0
    assert f"Example: cloche {' '.join(path)}" in " ".join(shown.output.split())
    assert "\x1b" not in shown.output


def test_every_setting_with_a_flag_is_a_flag_of_serve() -> None:
    """The flags of `serve` are the settings."""
    shown = CliRunner().invoke(app(), ["serve", "--help"]).output
    assert all(flag in shown for flag in ("--port", "--no-default-endpoint", "--endpoint", "--upstream-total-seconds"))
    assert "--admin-token" not in shown


def test_version(run: Run) -> None:
    """`--version` prints the version alone."""
    assert run("--version").stdout == f"cloche {cloche.__version__}\n"


def test_query_streams_to_standard_output(run: Run, stage: Stage) -> None:
    """The answer, and nothing else, is on standard output; the prompt goes as one user message."""
    done = run("query", "small", "What is it?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Glass bell\x1b[31m.\n", "")
    assert stage.asked == [
        (
            "POST",
            "/serving-endpoints/small/invocations",
            {"messages": [{"role": "user", "content": "What is it?"}], "stream": True},
        )
    ]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_query_reads_a_piped_prompt(run: Run, stage: Stage, arguments: tuple[str, ...]) -> None:
    """Without a prompt, or with `-`, the prompt is what is piped in."""
    assert run("query", "small", *arguments, stdin="From a pipe\n").returncode == 0
    assert stage.asked[0][2]["messages"] == [{"role": "user", "content": "From a pipe\n"}]


def test_query_without_any_prompt_is_wrong_use(run: Run) -> None:
    """An empty pipe holds no prompt."""
    done = run("query", "small")
    assert (done.returncode, done.stderr) == (2, "cloche: standard input held no prompt\n")


def test_query_whole_and_raw(run: Run) -> None:
    """`--no-stream` prints the text at once, `--json` the server's answer."""
    assert run("query", "small", "x", "--no-stream").stdout == "A whole answer.\n"
    assert json.loads(run("query", "small", "x", "--json").stdout)["choices"][0]["message"]["role"] == "assistant"


@pytest.mark.parametrize(
    ("mode", "words"),
    [("cut", "the server closed the stream before its end"), ("error", "the answer broke off: the engine died")],
)
def test_an_answer_that_breaks_off_fails(run: Run, stage: Stage, mode: str, words: str) -> None:
    """What came is printed, and the failure is told and shows in the exit code: a cut answer never passes for whole."""
    stage.mode = mode
    done = run("query", "small", "x")
    assert done.stdout.startswith("Glass bell")
    assert words in done.stderr
    assert done.returncode == 1


def test_interrupting_a_stream_ends_with_130_and_hangs_up(stage: Stage, environ: dict[str, str]) -> None:
    """SIGINT during a stream: exit code 130, no traceback, and the server sees the connection close."""
    stage.mode = "endless"
    told = environ | {"CLOCHE_URL": stage.url, "CLOCHE_TOKEN": TOKEN}
    with subprocess.Popen(
        [*COMMAND, "query", "small", "x"], env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"Glass "
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert b"Traceback" not in process.stderr.read()
    assert stage.hung_up.wait(5)


def test_a_reader_that_leaves_ends_the_command(stage: Stage, environ: dict[str, str]) -> None:
    """`cloche query … | head -c 6` ends without a traceback."""
    stage.mode = "endless"
    told = environ | {"CLOCHE_URL": stage.url, "CLOCHE_TOKEN": TOKEN}
    with subprocess.Popen(
        [*COMMAND, "query", "small", "x"], env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(6)
        process.stdout.close()
        process.wait(timeout=10)
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "over", "code", "words"),
    [
        (("query", "nobody", "x"), {}, 4, "RESOURCE_DOES_NOT_EXIST: no such thing"),
        (("endpoint", "get", "nobody"), {}, 4, "no such thing"),
        (("token", "revoke", "nobody"), {}, 4, "no such thing"),
        (("token", "list"), {"CLOCHE_TOKEN": "wrong"}, 3, "no such token (the token came from CLOCHE_TOKEN)"),
        (("token", "list", "--token", "wrong"), {}, 3, "(the token came from --token)"),
        (("token", "list"), {"CLOCHE_TOKEN": ""}, 3, "(no token: pass --token or set CLOCHE_TOKEN)"),
        (("token", "list"), {"CLOCHE_TOKEN": "weak"}, 3, "no such token"),
        (("token", "list"), {"CLOCHE_TOKEN": "日本"}, 3, "is not plain ASCII"),
        (("token", "list", "--url", "ftp://x"), {}, 2, "--url: not the URL of a server"),
        (("token", "create", "--lifetime-seconds", "soon"), {}, 2, "--lifetime-seconds"),
        (("nonsense",), {}, 2, "No such command"),
        (("models", "list"), {"CLOCHE_PROT": "1"}, 2, "CLOCHE_PROT: no such setting"),
        (("serve", "--port", "x"), {}, 2, "--port: port must be a whole number from 0 to 65535, not 'x'"),
    ],
)
def test_failures_have_a_code_and_a_sentence(
    run: Run, arguments: tuple[str, ...], over: dict[str, str], code: int, words: str
) -> None:
    """Each way to fail has its exit code and says on standard error what was wrong; nobody sees a traceback."""
    done = run(*arguments, **over)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_server_says_how_to_start_one(run: Run) -> None:
    """A refused connection names the URL, where it came from, and the command that starts a server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = run("endpoint", "list", CLOCHE_URL=url)
    assert done.returncode == 5
    assert done.stderr == f"cloche: no server at {url} (CLOCHE_URL): start one with `cloche serve`\n"


def test_databricks_variables_are_the_last_resort(run: Run, stage: Stage) -> None:
    """Where cloche's own variables are not set, those of Databricks clients are taken."""
    done = run(
        "endpoint", "list", CLOCHE_URL="", CLOCHE_TOKEN="", DATABRICKS_HOST=stage.url + "/", DATABRICKS_TOKEN=TOKEN
    )
    assert done.returncode == 0


def test_endpoints(run: Run) -> None:
    """Lists and single endpoints, as a table and as JSON."""
    assert run("endpoint", "list").stdout.splitlines()[1].split() == ["small", "READY", "llm/v1/chat", "entity-1"]
    assert json.loads(run("endpoint", "list", "--json").stdout)["endpoints"][0]["name"] == "small"
    assert "entity    entity-1" in run("endpoint", "get", "small").stdout
    assert json.loads(run("endpoint", "get", "small", "--json").stdout)["name"] == "small"


def test_tokens(run: Run, stage: Stage) -> None:
    """Create prints the value alone on standard output, list no value, revoke says what it did."""
    made = run("token", "create", "--comment", "laptop", "--lifetime-seconds", "60")
    assert made.stdout == "dapinew\n"
    assert "not shown again" in made.stderr
    assert stage.asked[0][2] == {"comment": "laptop", "lifetime_seconds": 60}
    assert json.loads(run("token", "create", "--json").stdout) == {"token_value": "dapinew", "token_info": INFO}
    listed = run("token", "list").stdout.splitlines()[1]
    assert listed.split() == ["id1", "2025-11-22", "12:03", "never", "never", "laptop"]
    assert run("token", "revoke", "id1").stderr == "revoked id1\n"


def gguf(path: Path) -> Path:
    """The smallest file that is a GGUF file: no tensors, no metadata."""
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(16))
    return path


def test_models_of_an_empty_home(run: Run) -> None:
    """An empty home has no models; an unknown name is not found; a file that is no model is refused."""
    assert json.loads(run("models", "list", "--json").stdout) == {"models": []}
    assert run("models", "rm", "nobody").returncode == 4
    assert run("models", "add", __file__, "--name", "me").returncode == 1
    unknown = run("models", "pull", "nobody")
    assert unknown.returncode == 1
    assert "smollm2-135m-instruct" in unknown.stderr


def test_doctor_of_an_empty_home(run: Run) -> None:
    """With free port and no home yet, nothing is wrong; every setting has a source; nothing is made."""
    done = run("doctor", "--json", CLOCHE_PORT="0", CLOCHE_ADMIN_TOKEN="s3cret-s3cret-s3cret")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    sources = {one["name"]: one["source"] for one in report["settings"]}
    assert (sources["port"], sources["host"]) == ("CLOCHE_PORT", "default")
    assert "s3cret" not in done.stdout
    assert {one["subject"] for one in report["findings"]} == {"home", "disk", "port", "database", "models"}
    assert not Path(str(report["settings"][0]["value"])).exists()


def test_doctor_says_who_has_the_port(run: Run, stage: Stage) -> None:
    """A port taken by a server that answers /health is a note, one taken by something silent is wrong."""
    port = stage.url.rpartition(":")[2]
    done = run("doctor", CLOCHE_PORT=port)
    assert done.returncode == 0
    assert "is taken by a server that answers /health" in done.stdout
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run("doctor", CLOCHE_PORT=str(silent.getsockname()[1]))
    assert done.returncode == 1
    assert "something that does not answer /health" in done.stdout


def test_doctor_finds_what_is_wrong(run: Run, environ: dict[str, str]) -> None:
    """A home others can write to, a database that is none and a wrong setting each end with 1."""
    home = Path(environ["CLOCHE_HOME"])
    home.mkdir()
    home.chmod(0o777)
    (home / "cloche.db").write_bytes(b"garbage " * 500)
    done = run("doctor", CLOCHE_PORT="0")
    assert done.returncode == 1
    assert "others may write to" in done.stdout
    assert "not a database" in done.stdout
    done = run("doctor", CLOCHE_PORT="nonsense")
    assert done.returncode == 1
    assert "CLOCHE_PORT: port must be" in done.stdout


def test_doctor_checks_models(run: Run, environ: dict[str, str]) -> None:
    """A model whose bytes changed but not its size is found with --deep only; one that was cut, always."""
    folder = Path(environ["CLOCHE_HOME"]) / "models" / "0123456789abcdef"
    folder.mkdir(parents=True)
    Path(environ["CLOCHE_HOME"]).chmod(0o700)
    weights = gguf(folder / "model.gguf")
    manifest = {"name": "m", "path": str(weights), "sha256": "00", "size": weights.stat().st_size, "source": "file:x"}
    more = {"licence": "mit", "context_length": 1, "has_tool_template": False, "added_at": 0}
    (folder / "manifest.json").write_text(json.dumps(manifest | more))
    assert run("doctor", CLOCHE_PORT="0").returncode == 0
    done = run("doctor", "--deep", CLOCHE_PORT="0")
    assert done.returncode == 1
    assert "does not have sha256" in done.stdout
    weights.write_bytes(b"GGUF")
    assert run("doctor", CLOCHE_PORT="0").returncode == 1


def test_only_what_a_command_needs_is_imported() -> None:
    """The command line starts without the server, the database layer and the progress bar."""
    script = (
        "import sys, cloche.cli.main; print({'sqlalchemy', 'alembic', 'uvicorn', 'rich.console'} & sys.modules.keys())"
    )
    done = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
