"""Settings: which source wins, what is refused and how, what is shown, and the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloche import settings
from cloche.settings import SettingsError


def in_home(tmp_path: Path, text: str = "") -> dict[str, str]:
    """An environment whose home holds a settings file with that text."""
    (tmp_path / "cloche.toml").write_text(text)
    return {"CLOCHE_HOME": str(tmp_path)}


def problems(flags: dict[str, object], environ: dict[str, str]) -> tuple[str, ...]:
    """What `load` refuses."""
    with pytest.raises(SettingsError) as caught:
        settings.load(flags, environ)
    return caught.value.problems


def test_defaults_hold_where_nothing_is_set() -> None:
    """Without flags, variables and file, every setting has its default, and says so."""
    loaded = settings.load({}, {})
    assert loaded.settings.home == Path("~/.cloche").expanduser()
    assert (loaded.settings.host, loaded.settings.port) == ("127.0.0.1", 8080)
    assert loaded.settings.max_body == 16 * 1024 * 1024
    assert loaded.settings.models_path == loaded.settings.home / "models"
    assert set(loaded.sources.values()) == {"default"}


@pytest.mark.parametrize(
    ("flags", "variable", "file", "port", "source"),
    [
        ({"port": "1"}, "2", "port = 3", 1, "--port"),
        ({"port": None}, "2", "port = 3", 2, "CLOCHE_PORT"),
        ({}, "", "port = 3", 3, "port in {home}/cloche.toml"),
        ({}, "", "", 8080, "default"),
    ],
)
def test_precedence(tmp_path: Path, flags: dict[str, object], variable: str, file: str, port: int, source: str) -> None:
    """A flag beats a variable, which beats the file, which beats the default."""
    loaded = settings.load(flags, in_home(tmp_path, file) | {"CLOCHE_PORT": variable})
    assert loaded.settings.port == port
    assert loaded.sources["port"] == source.format(home=tmp_path)


def test_named_file_takes_the_place_of_the_one_in_the_home(tmp_path: Path) -> None:
    """CLOCHE_CONFIG_FILE names the only file that is read."""
    other = tmp_path / "other.toml"
    other.write_text("host = '0.0.0.0'")
    loaded = settings.load({}, in_home(tmp_path, "port = 9") | {"CLOCHE_CONFIG_FILE": str(other)})
    assert (loaded.settings.host, loaded.settings.port, loaded.file) == ("0.0.0.0", 8080, other)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("default_endpoint", "off", False),
        ("lane", "TRUE", True),
        ("endpoints", "a=x, b=y", ("a=x", "b=y")),
        ("drain_seconds", "0.5", 0.5),
        ("log_format", "json", "json"),
        ("engine_threads", "2", 2),
    ],
)
def test_variables_are_text_for_every_type(name: str, text: str, value: object) -> None:
    """A variable's text becomes the setting's type."""
    assert getattr(settings.load({}, {f"CLOCHE_{name.upper()}": text}).settings, name) == value


@pytest.mark.parametrize(
    ("toml", "name", "value"),
    [
        ("endpoints = ['a=x']", "endpoints", ("a=x",)),
        ("lane = false", "lane", False),
        ("drain_seconds = 5", "drain_seconds", 5.0),
    ],
)
def test_files_are_typed(tmp_path: Path, toml: str, name: str, value: object) -> None:
    """TOML's own types are taken."""
    assert getattr(settings.load({}, in_home(tmp_path, toml)).settings, name) == value


def test_every_problem_is_told_at_once_with_its_source(tmp_path: Path) -> None:
    """A typo in a variable, an unknown key, wrong types and ranges all appear, each with source and key."""
    environ = in_home(tmp_path, "prot = 1\nmax_body = '8 MB'\nhome = '/x'") | {
        "CLOCHE_PROT": "1",
        "CLOCHE_LANE": "maybe",
    }
    told = problems({"port": "70000"}, environ)
    assert told == (
        "CLOCHE_PROT: no such setting; see docs/configuration.md",
        f"{tmp_path}/cloche.toml: no such setting: prot",
        f"{tmp_path}/cloche.toml: home is set by --home or CLOCHE_HOME, not in a file",
        "--port: port must be a whole number from 0 to 65535, not '70000'",
        f"max_body in {tmp_path}/cloche.toml: max_body must be a whole number from 1024 to 17179869184, not '8 MB'",
        "CLOCHE_LANE: lane must be on or off, not 'maybe'",
    )


@pytest.mark.parametrize(
    ("flags", "environ", "word"),
    [
        ({"endpoints": ["a=x", "a=y"]}, {}, "a is given more than once"),
        ({"endpoints": ["a"]}, {}, "NAME=MODEL"),
        ({"tls_cert": "/nowhere.pem"}, {}, "path of a file that exists"),
        ({"tls_cert": __file__}, {}, "go together"),
        ({"oidc_client_id": "cloche"}, {}, "go together"),
        ({"oidc_issuer": "http://login.example.com"}, {}, "https://HOST/PATH"),
        ({"oidc_scopes": "email"}, {}, "openid"),
        ({}, {"CLOCHE_PORT": "true"}, "whole number"),
        ({}, {"CLOCHE_DRAIN_SECONDS": "nan"}, "number from"),
        ({}, {"CLOCHE_CONFIG_FILE": "/nowhere.toml"}, "cannot read /nowhere.toml"),
        ({}, {"CLOCHE_HTTPS_PROXY": "socks5://x"}, "CLOCHE_HTTPS_PROXY: https_proxy must be http://"),
        ({}, {"CLOCHE_HTTPS_PROXY": "https://proxy:3128"}, "reached by TLS is not known"),
        ({"http_proxy": "http://proxy:x"}, {}, "--http-proxy: http_proxy must be"),
        ({}, {"CLOCHE_HTTP_PROXY": "http://proxy:70000"}, "CLOCHE_HTTP_PROXY"),
    ],
)
def test_what_cannot_be_used_is_refused(flags: dict[str, object], environ: dict[str, str], word: str) -> None:
    """Values that make no sense, alone or together, are refused in words that say what is wanted."""
    assert any(word in problem for problem in problems(flags, environ))


def test_a_broken_file_is_one_problem(tmp_path: Path) -> None:
    """A file that is no TOML is named, not traced."""
    (told,) = problems({}, in_home(tmp_path, "port = = 1"))
    assert told.startswith(f"{tmp_path}/cloche.toml: not a TOML file")


def test_secrets_are_never_shown() -> None:
    """Neither repr nor an error message gives an admin token or a proxy's password away."""
    environ = {"CLOCHE_ADMIN_TOKEN": "s3cret-" * 4, "HTTPS_PROXY": "http://user:pa55@proxy:3128"}
    told = settings.load({}, environ).settings
    assert told.admin_token == "s3cret-" * 4
    assert told.https_proxy == "http://user:pa55@proxy:3128"
    assert "s3cret" not in repr(told)
    assert "pa55" not in repr(told)
    assert "http://***@proxy:3128" in repr(told)
    assert "short" not in "".join(problems({}, {"CLOCHE_ADMIN_TOKEN": "short"}))


def test_proxy_variables_have_their_usual_names() -> None:
    """The variables that other programs use for proxies and certificates work here, in both cases."""
    told = settings.load({}, {"http_proxy": "http://p:1", "NO_PROXY": "a,.b", "SSL_CERT_FILE": __file__}).settings
    assert (told.http_proxy, told.no_proxy, told.ca_bundle) == ("http://p:1", ("a", ".b"), Path(__file__))


@pytest.mark.parametrize("url", ["http://proxy:3128", "proxy:3128", "http://proxy", "u:p@proxy:1", "http://[::1]:1/"])
def test_a_proxy_may_be_given_with_or_without_its_scheme(url: str) -> None:
    """Both usual forms of a proxy are taken from cloche's own variable, which goes before the shared one."""
    told = settings.load({}, {"CLOCHE_HTTPS_PROXY": url, "HTTPS_PROXY": "http://other:1"}).settings
    assert told.https_proxy == url


@pytest.mark.parametrize("url", ["https://proxy:3128", "socks5://proxy", "http://proxy:x", "http://"])
def test_a_shared_variable_is_kept_for_whoever_needs_it(url: str) -> None:
    """What other programs' variables hold is no reason to refuse all settings."""
    assert settings.load({}, {"HTTPS_PROXY": url}).settings.https_proxy == url


@pytest.mark.parametrize("url", ["user:pa55@proxy:3128", "http://user:pa55@proxy:3128", "https://u:pa55/x@proxy"])
def test_no_form_of_a_proxy_shows_its_password(url: str) -> None:
    """Neither as a value nor in a refusal."""
    assert "pa55" not in repr(settings.load({}, {"HTTPS_PROXY": url}).settings)
    assert "pa55" not in "".join(problems({}, {"CLOCHE_HTTPS_PROXY": url + ":x"}))


@pytest.mark.parametrize(
    ("url", "environ", "found", "source"),
    [
        ("http://f", {"CLOCHE_URL": "http://c", "DATABRICKS_HOST": "http://d"}, "http://f", "--url"),
        (None, {"CLOCHE_URL": "http://c/", "DATABRICKS_HOST": "http://d"}, "http://c", "CLOCHE_URL"),
        (None, {"DATABRICKS_HOST": "dbc.example.com"}, "https://dbc.example.com", "DATABRICKS_HOST"),
        (None, {}, "http://127.0.0.1:8080", "default"),
    ],
)
def test_where_clients_find_the_server(url: str | None, environ: dict[str, str], found: str, source: str) -> None:
    """URL: flag, cloche's variable, Databricks' variable, default; the token likewise, without a default."""
    client = settings.client(url, None, environ | {"DATABRICKS_TOKEN": "dapi1"})
    assert (client.url, client.url_source) == (found, source)
    assert (client.token, client.token_source) == ("dapi1", "DATABRICKS_TOKEN")
    assert "dapi1" not in repr(client)


def test_a_url_that_is_none_is_refused() -> None:
    """A URL with a path or another scheme is not silently bent."""
    with pytest.raises(SettingsError, match="--url"):
        settings.client("ftp://x/y", None, {})


def test_the_home_is_made_private(tmp_path: Path) -> None:
    """A new home has mode 0700, and an old one is left alone."""
    home = tmp_path / "a" / "home"
    told = settings.load({"home": str(home)}, {}).settings
    settings.prepare_home(told)
    settings.prepare_home(told)
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_home_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """Who can write to the home can let themselves in, so cloche does not start on it."""
    tmp_path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 700"):
        settings.prepare_home(settings.load({"home": str(tmp_path)}, {}).settings)


def test_the_reference_has_every_setting() -> None:
    """The generated page names each setting with its variable, and no internal form."""
    page = settings.reference()
    for name in settings.Settings.__struct_fields__:
        assert f"## `{name}`" in page
        assert f"`{settings.variables(name)[0]}`" in page
    assert "--no-default" not in page
    assert "--admin-token" not in page
    assert "None" not in page
