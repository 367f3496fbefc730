"""What is left of calls that have ended: nothing that only Python's garbage collector could free."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloche.domain.ai_gateway import AiGateway
from cloche.gateway.admission import Admission
from cloche.gateway.payloads import Payloads
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder

from .scripted import TOKEN_KEY
from .test_answer_cache import END, Caching
from .test_limits import DELTA

LIMITS = {"rate_limits": [{"renewal_period": "minute", "calls": 1000, "tokens": 1_000_000}]}
USAGE = {"usage_tracking_config": {"enabled": True}}
TABLE = {"catalog_name": "a", "schema_name": "b", "table_name_prefix": "c", "enabled": True}
PAYLOADS = {"inference_table_config": TABLE}
MASKING = {"pii": {"behavior": "MASK"}, "invalid_keywords": ["never"]}
RULES: dict[str, dict[str, Any]] = {
    "limits": LIMITS,
    "usage": USAGE,
    "payloads": PAYLOADS,
    "all three": LIMITS | USAGE | PAYLOADS,
    "guardrails": {"guardrails": {"input": MASKING, "output": MASKING}},
    "cache": USAGE | {"cache_config": {"enabled": True, "ttl_seconds": 60}},
    "coalescing": PAYLOADS | {"coalescing_config": {"enabled": True}},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_a_call_leaves_no_cycle(tmp_path: Path, rules: dict[str, Any]) -> None:
    """However it ends: each cycle would be some 20 objects a call, which the collector stops the server for."""
    world = Caching(tmp_path, msgspec.convert(rules, AiGateway))
    payloads = Payloads(10_000)
    recorder = Recorder(world.records.append, world.ledger, payloads)
    lasting = world.lasting._replace(payloads=payloads, cache=world.cache, flights=world.flights)
    world.gateway = Gateway(world.snapshot, Admission(TOKEN_KEY), world._send, recorder, lasting)

    fresh = itertools.count()

    def calls() -> None:
        for _ in range(2):  # the second is from the cache
            world.asked(temperature=0)
        for ended in (True, False):
            streamed, _ = world.ask(stream=True, seed=next(fresh))
            world.last.head()
            world.last.receiver.on_data(DELTA % b"he" + (END if ended else b""))
            streamed.hang_up()
        world.asked(b"no JSON", temperature=0.5)
        world.ask(max_tokens=-1)
        world.ask(seed=next(fresh))[0].hang_up()
        world.calls.clear()

    calls()
    gc.collect()
    gc.disable()
    try:
        calls()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [each for each in gc.garbage if type(each).__module__.startswith("cloche.")] == []
        assert world.records[-1].status == 499
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
