"""The first words of a server that is ready: where it is, what it serves, and at the first start the token."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from cloche.domain.reach import is_loopback
from cloche.settings import Settings

log = logging.getLogger("cloche")


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Where the server is reached."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls_cert is not None else "http"
    if not is_loopback(host) and scheme == "http":
        log.warning("listening on %s without TLS: tokens and prompts cross the network readable", host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def say(url: str, first_token: str | None, endpoints: Sequence[str], *, pages: bool) -> None:
    """Print the words.  `first_token`: shown here and nowhere else; `endpoints`: those declared for this start;
    `pages`: whether a browser finds pages there."""
    lines = ["", f"cloche is ready at {url}"]
    if pages:
        lines.append(f"  pages     {url}/ in a browser")
    lines += [f"  endpoint  {name}" for name in endpoints]
    if first_token is not None:
        lines += ["", f"  token     {first_token}", "            shown this once: keep it"]
    if endpoints:
        token = first_token or "$DATABRICKS_TOKEN"
        lines += [
            "",
            "Ask it something:",
            "",
            f"  curl -u token:{token} {url}/serving-endpoints/{endpoints[0]}/invocations \\",
            "    -H 'Content-Type: application/json' \\",
            '    -d \'{"messages": [{"role": "user", "content": "What is a mixture of experts model?"}], '
            '"max_tokens": 128}\'',
        ]
    print("\n".join([*lines, ""]), flush=True)  # noqa: T201 - this is what the operator waits for
