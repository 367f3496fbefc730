"""Where settings come from: flags, the environment, a TOML file, defaults, in that order.

The only reader of the environment.  Every problem is collected and told at once, with its source and its key.  An empty
variable counts as not set, because container files pass variables on whether or not they have a value.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import msgspec

from cloche.settings.table import DEFAULT_HOME, Settings, fields, flag, shown, variables

CONFIG_FILE_VARIABLE = "CLOCHE_CONFIG_FILE"
HOME_FILE = "cloche.toml"
CLIENT_VARIABLES = ("CLOCHE_URL", "CLOCHE_TOKEN")
DEFAULT_URL = "http://127.0.0.1:8080"

Source = str
"""Where a value came from, in words: `--port`, `CLOCHE_PORT`, `port in /etc/cloche.toml` or `default`."""


class SettingsError(Exception):
    """Settings that cannot be used.  `problems`: one line each, naming the source and the key."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Loaded(msgspec.Struct, frozen=True):
    """Settings, where each came from, and the file that was read, if one was."""

    settings: Settings
    sources: dict[str, Source]
    file: Path | None


class Client(msgspec.Struct, frozen=True):
    """Where the command line finds a server, and what told it so.  Without a token both its fields are None."""

    url: str
    url_source: Source
    token: str | None
    token_source: Source | None
    ca_bundle: Path | None

    def __repr__(self) -> str:
        return f"Client({self.url}, token from {self.token_source})"


def environment() -> Mapping[str, str]:
    """A copy of the process's environment."""
    return dict(os.environ)


def suggest(variable: str, value: str) -> None:
    """What a library is to find in the environment when it is loaded, where the operator has said nothing."""
    os.environ.setdefault(variable, value)


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Loaded:
    """The settings in force.  `flags` by field name; None and the empty list mean "not given".

    Raises SettingsError with every problem at once.
    """
    problems: list[str] = []
    home, home_source = _home(flags, environ, problems)
    values: dict[str, object] = {"home": home}
    sources = dict.fromkeys(fields(), "default") | {"home": home_source}
    file, tables = _file(home, environ, problems)
    problems.extend(_unknown(tables, file, environ))
    for name in fields():
        for source, given in _offers(name, flags, environ, tables, file) if name != "home" else ():
            values[name] = _read(name, source, given, problems)
            sources[name] = source
            break
    problems.extend(_disagreements(values))
    if problems:
        raise SettingsError(problems)
    return Loaded(Settings(**values), sources, file)  # type: ignore[arg-type]  # each was checked by its kind


def _offers(
    name: str,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    tables: Mapping[str, object],
    file: Path | None,
) -> Iterator[tuple[Source, object]]:
    """Every value given for a field, the strongest first."""
    given = flags.get(name)
    if given is not None and given != []:
        yield flag(name) or name, given
    for variable in variables(name):
        if environ.get(variable):
            yield variable, environ[variable]
    if name in tables:
        yield f"{name} in {file}", tables[name]


def _read(name: str, source: Source, given: object, problems: list[str]) -> object:
    """The value of a field, or None with a line in `problems`.  Files are typed; flags and variables are text."""
    field, kind = fields()[name], fields()[name].kind
    from_file = source.startswith(f"{name} in ")
    try:
        return kind.check(kind.parse(given) if isinstance(given, str) and not from_file else given)
    except ValueError:
        if field.shared and source in variables(name) and not source.startswith("CLOCHE_"):
            return given
        told = shown(name, given) if not isinstance(given, list) else ", ".join(map(str, given))
        problems.append(f"{source}: {name} must be {kind.wants}, not {told!r}")
        return None


def _home(flags: Mapping[str, object], environ: Mapping[str, str], problems: list[str]) -> tuple[Path, Source]:
    """The home comes first, because it says where the file is."""
    for source, given in _offers("home", flags, environ, {}, None):
        read = _read("home", source, given, problems)
        return (read if isinstance(read, Path) else Path.home()), source
    return Path(DEFAULT_HOME).expanduser().absolute(), "default"


def _file(home: Path, environ: Mapping[str, str], problems: list[str]) -> tuple[Path | None, dict[str, object]]:
    named = environ.get(CONFIG_FILE_VARIABLE)
    file = Path(named).expanduser().absolute() if named else home / HOME_FILE
    if not named and not file.exists():
        return None, {}
    try:
        return file, tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{CONFIG_FILE_VARIABLE if named else file}: cannot read {file}: {error.strerror}")
    except ValueError as error:  # TOML and UTF-8 alike
        problems.append(f"{file}: not a TOML file: {error}")
    return file, {}


def _unknown(tables: Mapping[str, object], file: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    known = {variable for name in fields() for variable in variables(name)}
    for variable in sorted(environ):
        ours = variable.startswith("CLOCHE_") and variable not in (CONFIG_FILE_VARIABLE, *CLIENT_VARIABLES)
        if ours and variable not in known:
            yield f"{variable}: no such setting; see docs/configuration.md"
    for key in tables:
        if key not in fields():
            yield f"{file}: no such setting: {key}"
        elif not fields()[key].in_file:
            ways = " or ".join(way for way in (flag(key), variables(key)[0]) if way)
            yield f"{file}: {key} is set by {ways}, not in a file"


def _disagreements(values: Mapping[str, object]) -> Iterator[str]:
    if ("tls_cert" in values) != ("tls_key" in values):
        yield "tls_cert and tls_key go together: only one is set"
    if ("oidc_issuer" in values) != ("oidc_client_id" in values):
        yield "oidc_issuer and oidc_client_id go together: only one is set"
    key_sources = [name for name in ("master_key_file", "master_key", "master_key_command") if name in values]
    if len(key_sources) > 1:
        yield f"{' and '.join(key_sources)} are all set: the master key can come from one of them only"
    pairs = cast(tuple[str, ...], values.get("endpoints") or ())
    names = [pair.partition("=")[0] for pair in pairs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"endpoints: {name} is given more than once"


def client(url: str | None, token: str | None, environ: Mapping[str, str]) -> Client:
    """The server and token for the command line: flags, cloche's variables, those of Databricks clients.

    URL and token are looked for separately.  Raises SettingsError for a URL that is none.
    """
    urls = (
        ("--url", url),
        ("CLOCHE_URL", environ.get("CLOCHE_URL")),
        ("DATABRICKS_HOST", environ.get("DATABRICKS_HOST")),
    )
    tokens = (
        ("--token", token),
        ("CLOCHE_TOKEN", environ.get("CLOCHE_TOKEN")),
        ("DATABRICKS_TOKEN", environ.get("DATABRICKS_TOKEN")),
    )
    url_source, found = next(((source, value) for source, value in urls if value), ("default", DEFAULT_URL))
    if "://" not in found:
        found = f"https://{found}"  # Databricks clients take a bare host name so
    if not re.fullmatch(r"https?://[^\s/?#@]+/*", found):
        raise SettingsError([f"{url_source}: not the URL of a server: {found!r}"])
    token_source, secret = next(((source, value) for source, value in tokens if value), (None, None))
    problems: list[str] = []
    bundle = next(
        (_read("ca_bundle", source, given, problems) for source, given in _offers("ca_bundle", {}, environ, {}, None)),
        None,
    )
    if problems:
        raise SettingsError(problems)
    return Client(found.rstrip("/"), url_source, secret, token_source, cast(Path | None, bundle))
