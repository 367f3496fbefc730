"""`cloche doctor`: what is installed, how it is set and whether it can work.  It changes nothing."""

from __future__ import annotations

import hashlib
import http.client
import os
import platform
import shutil
import socket
import stat
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

import cloche
from cloche import settings
from cloche.cli import exits, output
from cloche.cli.options import Json
from cloche.engine.catalogue import Catalogue, Model
from cloche.settings import Settings, SettingsError

ENOUGH_DISK = 500 * 1000 * 1000
"""Bytes: the default model, its staging copy and room for the database."""

DISTRIBUTIONS = (
    "alembic",
    "httptools",
    "msgspec",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
    "zstandard",
)
OPTIONAL = ("xllamacpp", "huggingface_hub", "psycopg", "redis")


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at.  `state` wrong: cloche cannot work so, and doctor ends with 1."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    detail: str


class SettingReport(msgspec.Struct, frozen=True):
    """A setting in force, as it may be shown, and where it came from."""

    name: str
    value: str
    source: str


class Report(msgspec.Struct, frozen=True):
    """Everything that doctor tells."""

    versions: dict[str, str]
    settings: list[SettingReport]
    findings: list[Finding]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Example: cloche doctor --deep")(doctor)


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Hash every model file again.")] = False,
    json: Json = False,
) -> None:
    """Check versions, settings, port, home, disk, models and database.  Ends with 1 when something is wrong."""
    report = examine(deep)
    if json:
        output.data(report)
    else:
        _print(report)
    if any(finding.state == "wrong" for finding in report.findings):
        raise typer.Exit(exits.ERROR)


def examine(deep: bool) -> Report:
    """The whole report.  With settings that cannot be read, only the versions and what is wrong with the settings."""
    try:
        loaded = settings.load({}, settings.environment())
    except SettingsError as error:
        return Report(_versions(), [], [Finding("settings", "wrong", problem) for problem in error.problems])
    told = loaded.settings
    values = [
        SettingReport(name, settings.shown(name, getattr(told, name)) or "not set", source)
        for name, source in loaded.sources.items()
    ]
    findings = [_home(told.home), _disk(told.home), _port(told), _database(told), *_models(told, deep)]
    return Report(_versions(), values, findings)


def _versions() -> dict[str, str]:
    found = {"cloche": cloche.__version__, "python": platform.python_version(), "system": platform.platform()}
    for name in (*DISTRIBUTIONS, *OPTIONAL):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _home(home: Path) -> Finding:
    try:
        found = home.stat()
    except FileNotFoundError:
        return Finding("home", "note", f"{home} will be made at the first start")
    except OSError as error:
        return Finding("home", "wrong", f"{home}: {error.strerror}")
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        return Finding("home", "wrong", f"{home} belongs to another user")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Finding("home", "wrong", f"others may write to {home}; run: chmod 700 {home}")
    return Finding("home", "ok", f"{home}, mode {mode:04o}")


def _disk(home: Path) -> Finding:
    place = next(one for one in (home, *home.parents) if one.exists())
    free = shutil.disk_usage(place).free
    return Finding("disk", "ok" if free >= ENOUGH_DISK else "wrong", f"{output.size(free)} free for {home}")


def _port(told: Settings) -> Finding:
    """Whether the port can be had; if not, who answers there."""
    where = f"{told.host}:{told.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(told.host, told.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        answer = _health(told)
        if answer == http.client.OK:
            return Finding("port", "note", f"{where} is taken by a server that answers /health")
        who = f"something that answers /health with {answer}" if answer else "something that does not answer /health"
        return Finding("port", "wrong", f"{where} cannot be had ({error.strerror or error}): taken by {who}")
    return Finding("port", "ok", f"{where} is free")


def _health(told: Settings) -> int | None:
    connection = http.client.HTTPConnection(told.host, told.port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _database(told: Settings) -> Finding:
    # Late, because the database layer takes longer to import than most commands take to run.
    from cloche.control.health import database_state

    state = database_state(told.home, told.database_url)
    if state.problem:
        return Finding("database", "wrong", state.problem)
    if state.at is None:
        return Finding("database", "note", "will be made at the first start")
    older = "" if state.at == state.newest else f", will be brought to {state.newest} at the next start"
    return Finding("database", "ok", f"at revision {state.at}{older}")


def _models(told: Settings, deep: bool) -> Iterator[Finding]:
    models = Catalogue(told.models_path).list()
    if not models:
        yield Finding("models", "note", "none here yet; `cloche serve` fetches the default one")
    for model in models:
        problem = _flaw(model, deep)
        detail = problem or f"{output.size(model.size)}, {'checksum right' if deep else 'size right'}"
        yield Finding(f"model {model.name}", "wrong" if problem else "ok", detail)


def _flaw(model: Model, deep: bool) -> str | None:
    """What is wrong with a model's file, if anything is."""
    try:
        with open(model.path, "rb") as file:
            if os.fstat(file.fileno()).st_size != model.size:
                return f"{model.path} does not have {model.size} bytes; remove and pull it again"
            if deep and hashlib.file_digest(file, "sha256").hexdigest() != model.sha256:
                return f"{model.path} does not have sha256 {model.sha256}; remove and pull it again"
    except OSError as error:
        return f"{model.path}: {error.strerror}"
    return None


def _print(report: Report) -> None:
    output.table(("PART", "VERSION"), list(report.versions.items()))
    output.line("")
    if report.settings:  # none where they could not be read
        output.table(("SETTING", "VALUE", "FROM"), [(one.name, one.value, one.source) for one in report.settings])
        output.line("")
    output.table(("CHECK", "STATE", "DETAIL"), [(one.subject, one.state, one.detail) for one in report.findings])
