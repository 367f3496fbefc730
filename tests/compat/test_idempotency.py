"""`Idempotency-Key` as clients send it: over workers, for calls at once, and over a restart."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai import OpenAI

from .live import TOKEN, Live
from .provider import Provider

ECHO = "echo"


def test_one_answer_to_one_key(provider: Provider, tmp_path: Path) -> None:
    """Of many calls at once with one key, over two workers, one is asked, and all get its answer."""
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] == ECHO]))
    flags = ("--config", str(config), "--no-default-endpoint", "--workers", "2")

    def ask(server: Live, stream: bool = False) -> tuple[str, bool]:
        with OpenAI(api_key=TOKEN, base_url=f"{server.url}/serving-endpoints", max_retries=0) as client:
            got = client.chat.completions.with_raw_response.create(
                model=ECHO,
                messages=[{"role": "user", "content": "hi"}],
                stream=stream,
                extra_headers={"Idempotency-Key": f"order-4711-{stream}"},
            )
            return got.http_response.read().decode(), got.headers.get("cloche-idempotent-replay") == "true"

    before = len(provider.asked)
    server = Live(tmp_path, *flags)
    try:
        with ThreadPoolExecutor(6) as pool:
            seen = list(pool.map(lambda _: ask(server), range(12)))
        streamed = [ask(server, stream=True) for _ in range(3)]
    finally:
        server.stop()
    server = Live(tmp_path, *flags)
    try:
        seen.append(ask(server))
    finally:
        server.stop()
    assert len(provider.asked) - before == 2
    assert len({body for body, _ in seen}) == 1
    assert [replayed for _, replayed in seen].count(False) == 1
    assert len({body for body, _ in streamed}) == 1
    assert [replayed for _, replayed in streamed] == [False, True, True]
