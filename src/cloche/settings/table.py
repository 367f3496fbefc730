"""The table of settings: name, type, default, help, unit, variable, flag and what is secret about each.

The fields of `Settings` are the table; flags, variables, keys in the file and docs/configuration.md are derived from
it, so that none can be forgotten.  Must not know where values come from or what a setting does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

import msgspec

from cloche.settings.kinds import Kind, list_of, number, path, proxy, switch, text, whole


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says of a setting beside its name, type and default.

    `shared`: variables without `CLOCHE_` are there for other programs.  What cloche cannot use in them is kept as it
    is, to be refused by whoever needs it.
    """

    help: str
    kind: Kind
    unit: str = ""
    variables: tuple[str, ...] = ()
    flag: str | None = ""
    in_file: bool = True
    hides: Literal["", "whole", "userinfo"] = ""
    shared: bool = False


_ISSUER = r"https://[^\s/?#@]+(/[^\s?#]*)?|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#]*)?"
_SECONDS = number(0.1, 86_400)
_FILE = path("the path of a file that exists", Path.is_file)
_DIRECTORY = path("the path of a directory", lambda path: not path.exists() or path.is_dir())
_ENDPOINT = text("NAME=MODEL", r"[A-Za-z0-9_-]{1,63}=[^=,\s]+")


def _seconds(help_text: str) -> Field:
    return Field(help=help_text, kind=_SECONDS, unit="seconds")


def _proxy(scheme: str) -> Field:
    variables = (f"CLOCHE_{scheme.upper()}_PROXY", f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
    help_text = f"Proxy for {scheme}:// providers."
    return Field(help=help_text, kind=proxy(), variables=variables, hides="userinfo", shared=True)


DEFAULT_HOME = "~/.cloche"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What cloche was told.  Paths are absolute; `repr` shows no secret."""

    home: Annotated[Path, Field(help="Directory of all state, made with mode 0700.", kind=_DIRECTORY, in_file=False)]
    host: Annotated[str, Field(help="Address to listen on.", kind=text("a host name or address", r"\S+"))] = "127.0.0.1"
    port: Annotated[int, Field(help="Port to listen on; 0 takes a free one.", kind=whole(0, 65_535))] = 8080
    public_url: Annotated[
        str | None,
        Field(
            help="How clients reach the server, where a proxy stands before it: what OAuth and documents tell them.",
            kind=text("http:// or https:// with a host", r"https?://[^\s/?#]+(/[^\s?#]*[^\s?#/])?"),
        ),
    ] = None
    tls_cert: Annotated[
        Path | None, Field(help="Certificate chain (PEM); with the key it serves HTTPS.", kind=_FILE)
    ] = None
    tls_key: Annotated[Path | None, Field(help="Private key of the certificate (PEM).", kind=_FILE)] = None
    admin_token: Annotated[
        str | None,
        Field(
            help="Admin token to accept instead of one made at the first start.",
            kind=text("16 characters or more without spaces", r"[!-~]{16,}"),
            flag=None,  # a flag would show in the list of processes
            hides="whole",
        ),
    ] = None
    oidc_issuer: Annotated[
        str | None,
        Field(
            help="OpenID issuer at which people sign in to the pages, exactly as it calls itself.",
            kind=text("https://HOST/PATH, or http:// on this machine", _ISSUER),
        ),
    ] = None
    oidc_client_id: Annotated[
        str | None, Field(help="As whom the issuer knows this server.", kind=text("an id without spaces", r"[!-~]+"))
    ] = None
    oidc_client_secret: Annotated[
        str | None,
        Field(
            help="The client's secret at the issuer, where it is no public client.",
            kind=text("a text without spaces", r"[!-~]+"),
            flag=None,  # a flag would show in the list of processes
            hides="whole",
        ),
    ] = None
    oidc_scopes: Annotated[
        str,
        Field(
            help="What the issuer is asked for.",
            kind=text("scopes with `openid` among them, separated by spaces", r"(?=.*\bopenid\b)[!-~]+( [!-~]+)*"),
        ),
    ] = "openid email profile"
    oidc_create_users: Annotated[
        bool, Field(help="Make whoever signs in at the issuer and is not known yet a user.", kind=switch())
    ] = False
    master_key_file: Annotated[
        Path | None,
        Field(
            help="File of the master key that seals secrets, if not `master.key` in the home; made at the first start.",
            kind=path("the path of a file", lambda path: not path.is_dir()),
        ),
    ] = None
    master_key: Annotated[
        str | None,
        Field(
            help="The master key itself instead of a file: base64 of 32 bytes, several separated by commas, the newest "
            "first.",
            kind=text("base64 of 32 bytes, several separated by commas", r"[A-Za-z0-9+/]{43}=(,[A-Za-z0-9+/]{43}=)*"),
            flag=None,  # a flag would show in the list of processes
            in_file=False,
            hides="whole",
        ),
    ] = None
    master_key_command: Annotated[
        str | None,
        Field(
            help="Command that prints the master key, run at start without a shell, for 30 seconds at most.",
            kind=text("a command line", r".*\S.*"),
        ),
    ] = None
    database_url: Annotated[
        str | None,
        Field(
            help="PostgreSQL database that several hosts share, instead of a file in the home.",
            kind=text("postgresql://USER:PASSWORD@HOST:PORT/DATABASE", r"postgres(ql)?://\S+"),
            hides="userinfo",
        ),
    ] = None
    valkey_url: Annotated[
        str | None,
        Field(
            help="Valkey or Redis in which several hosts count rate limits and budgets together, instead of each for "
            "itself.",
            kind=text("redis:// or rediss:// with USER:PASSWORD@HOST:PORT/NUMBER", r"rediss?://\S+"),
            hides="userinfo",
        ),
    ] = None
    valkey_down: Annotated[
        Literal["local", "refuse"],
        Field(
            help="While Valkey does not answer: each host counts for itself, or calls to endpoints with rate limits or "
            "budgets are refused.",
            kind=text("local or refuse", "local|refuse"),
        ),
    ] = "local"
    otel_endpoint: Annotated[
        str | None,
        Field(
            help="Collector of OpenTelemetry traces (OTLP over HTTP); without a path it is `/v1/traces`.",
            kind=text("http:// or https:// with a host", r"https?://[^\s/?#@]+(/[^\s?#]*)?"),
        ),
    ] = None
    otel_headers: Annotated[
        str | None,
        Field(
            help="Header fields that the collector wants, as its key.",
            kind=text("NAME=VALUE, with commas between several", r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[ -~]*"),
            flag=None,  # a flag would show in the list of processes
            hides="whole",
        ),
    ] = None
    otel_sample_ratio: Annotated[
        float, Field(help="Part of the calls without a `traceparent` that are traced.", kind=number(0, 1))
    ] = 1.0
    otel_content: Annotated[bool, Field(help="Put prompts and answers into traces.", kind=switch())] = False
    otel_propagate: Annotated[
        tuple[str, ...],
        Field(
            help="Hosts of providers that are sent `traceparent`; `*` for all.",
            kind=list_of(text("HOST", r"\*|[A-Za-z0-9.:_-]+"), "host names, or *, with commas between them"),
        ),
    ] = ()
    log_format: Annotated[
        Literal["plain", "json"], Field(help="Shape of log lines.", kind=text("plain or json", "plain|json"))
    ] = "plain"
    config: Annotated[Path | None, Field(help="File of endpoints to serve (JSON or YAML).", kind=_FILE)] = None
    pages: Annotated[bool, Field(help="Serve the pages for the browser at `/`.", kind=switch())] = True
    default_endpoint: Annotated[bool, Field(help="Serve the default model under its own name.", kind=switch())] = True
    endpoints: Annotated[
        tuple[str, ...],
        Field(
            help="NAME=MODEL: serve a local model under a name.",
            kind=list_of(_ENDPOINT, "NAME=MODEL, several separated by commas"),
            flag="--endpoint",
        ),
    ] = ()
    models_dir: Annotated[
        Path | None, Field(help="Directory of model files, if not `models` in the home.", kind=_DIRECTORY)
    ] = None
    max_body: Annotated[int, Field(help="Largest request body, inflated.", kind=whole(1024, 1 << 34), unit="bytes")] = (
        16 * 1024 * 1024
    )
    workers: Annotated[
        int, Field(help="Processes that take calls; 1: everything in one process.", kind=whole(1, 256))
    ] = 1
    snapshot_max_age_seconds: Annotated[
        float,
        Field(
            help="How old the kept state may be that a server starts from while its database does not answer.",
            kind=number(1, 31_536_000),
            unit="seconds",
        ),
    ] = 86_400.0
    usage_retention_days: Annotated[
        int | None,
        Field(
            help="How long rows of usage are kept, if not for ever: older ones are forgotten once a day.",
            kind=whole(1, 36_500),
            unit="days",
        ),
    ] = None
    tables_url: Annotated[
        str | None,
        Field(
            help="Where inference tables are, if not in `tables` in the home: an object store that hosts can share.",
            kind=text("s3://, gs://, az:// or abfss:// with a path", r"(s3|gs|az|abfss?)://\S+"),
            hides="userinfo",
        ),
    ] = None
    payload_max_bytes: Annotated[
        int,
        Field(
            help="Largest request or answer that an inference table keeps; the row of a larger one says so instead.",
            kind=whole(1024, 1 << 30),
            unit="bytes",
        ),
    ] = 64 * 1024 * 1024
    payload_retention_days: Annotated[
        int | None,
        Field(
            help="How long rows of inference tables are kept, if not for ever: older ones are forgotten once a day.",
            kind=whole(1, 36_500),
            unit="days",
        ),
    ] = None
    drain_seconds: Annotated[float, _seconds("How long running answers may take after SIGTERM.")] = 30.0
    request_read_seconds: Annotated[float, _seconds("How long a client may take to send a request.")] = 30.0
    keep_alive_seconds: Annotated[float, _seconds("How long an idle client connection is kept.")] = 75.0
    upstream_connect_seconds: Annotated[float, _seconds("Longest wait for a connection to a provider.")] = 5.0
    upstream_first_byte_seconds: Annotated[float, _seconds("Longest wait for an answer's first byte.")] = 120.0
    upstream_between_bytes_seconds: Annotated[float, _seconds("Longest pause within an answer.")] = 60.0
    upstream_total_seconds: Annotated[float, _seconds("Longest time for a provider's whole answer.")] = 597.0
    http_proxy: Annotated[str | None, _proxy("http")] = None
    https_proxy: Annotated[str | None, _proxy("https")] = None
    no_proxy: Annotated[
        tuple[str, ...],
        Field(
            help="Hosts and domains to reach without a proxy.",
            kind=list_of(text("a host", r"\S+"), "hosts separated by commas"),
            variables=("CLOCHE_NO_PROXY", "NO_PROXY", "no_proxy"),
        ),
    ] = ()
    ca_bundle: Annotated[
        Path | None,
        Field(
            help="Certificates to trust (PEM) instead of the system's.",
            kind=_FILE,
            variables=("CLOCHE_CA_BUNDLE", "SSL_CERT_FILE"),
        ),
    ] = None
    allow_upstream: Annotated[
        tuple[str, ...],
        Field(
            help="Hosts, addresses and networks that endpoints may call although they are not public. This machine is "
            "one of them as long as cloche listens on it alone.",
            kind=list_of(text("a host, address or network", r"[A-Za-z0-9_.:/-]+"), "hosts, separated by commas"),
        ),
    ] = ()
    allow_host_credentials: Annotated[
        bool,
        Field(
            help="Let endpoints use the cloud credentials of this machine: its role, its variables, the token files "
            "that they name. Whoever may make endpoints may then spend in its name.",
            kind=switch(),
        ),
    ] = False
    engine_threads: Annotated[
        int | None, Field(help="Threads of a local model, if not one fewer than the usable cores.", kind=whole(1, 1024))
    ] = None
    engine_parallel: Annotated[int, Field(help="Answers that a local model works on at once.", kind=whole(1, 256))] = 4
    engine_context: Annotated[
        int | None,
        Field(
            help="Longest prompt and answer of one call to a local model, if not as trained, at most 4096.",
            kind=whole(256, 1 << 24),
            unit="tokens",
        ),
    ] = None
    engine_queue_limit: Annotated[int, Field(help="Calls that may wait for a local model.", kind=whole(0, 65_536))] = 32
    engine_queue_seconds: Annotated[float, _seconds("How long a call may wait for a local model.")] = 30.0
    engine_idle_seconds: Annotated[
        float, _seconds("How long a local model that may scale to zero stays loaded without calls.")
    ] = 1800.0
    max_tokens_default: Annotated[
        int,
        Field(
            help="Length of a local model's answer where the request sets none.",
            kind=whole(1, 1 << 24),
            unit="tokens",
        ),
    ] = 1024
    lane: Annotated[
        bool,
        Field(
            help="Fast path for chat calls; off: plain ASGI, where the bound on heads, the deadline for requests and "
            "the strict checks of HTTP are uvicorn's own, which are weaker: only for a server behind another one.",
            kind=switch(),
        ),
    ] = True

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={shown(name, getattr(self, name))}' for name in fields())})"

    @property
    def models_path(self) -> Path:
        """Where model files are: `models_dir`, or `models` in the home."""
        return self.models_dir or self.home / "models"

    @property
    def endpoint_models(self) -> dict[str, str]:
        """Model name by endpoint name, as given in `endpoints`."""
        return {name: model for name, _, model in (pair.partition("=") for pair in self.endpoints)}


@cache
def fields() -> Mapping[str, Field]:
    """The table: what is said of each setting, by its name, in the order of `Settings`."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in Settings.__struct_fields__}


def variables(name: str) -> tuple[str, ...]:
    """The variables that set a field, the strongest first."""
    return fields()[name].variables or (f"CLOCHE_{name.upper()}",)


def flag(name: str) -> str | None:
    """The flag that sets a field; None where there is none."""
    given = fields()[name].flag
    return f"--{name.replace('_', '-')}" if given == "" else given


def default(name: str) -> object:
    """The value of a field that nothing sets; of the home, in words."""
    names, defaults = Settings.__struct_fields__, Settings.__struct_defaults__
    return dict(zip(names[-len(defaults) :], defaults, strict=True)).get(name, DEFAULT_HOME)


def shown(name: str, value: object) -> str:
    """A value as it may be shown to people: without its secret; empty where nothing is set."""
    hides = fields()[name].hides
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value)
    if hides == "whole":
        return "***"
    if hides == "userinfo":
        # libpq takes a password among the parameters, too.
        return re.sub(r"(password=)[^&]*", r"\1***", re.sub(r"^(\w+://)?.*@", r"\1***@", str(value)))
    return str(value)


def reference() -> str:
    """docs/configuration.md: the table as Markdown, one section for each setting."""
    return "\n".join(line for name in fields() for line in _section(name))


def _section(name: str) -> Iterator[str]:
    field = fields()[name]
    unit = f", in {field.unit}" if field.unit else ""
    yield from (f"## `{name}`", "", field.help, "")
    yield f"- Value: {field.kind.wants}{unit}"
    yield f"- Default: {shown(name, default(name)) or 'not set'}"
    if flag(name):
        yield f"- Flag: `{flag(name)}`"
    yield f"- Variable: {', '.join(f'`{variable}`' for variable in variables(name))}"
    yield f"- In the file: {f'`{name}`' if field.in_file else 'no'}"
    yield ""
