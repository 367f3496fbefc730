"""A look at whether entities answer: one short call to each, at once, before a configuration takes over or on demand.

Called from threads; the calls run in the event loop.  An answer is read as a call's would be, because pages of a
website, and errors, come with status 200, too; its text is not kept.  What to do about a failure is told by its kind,
from a table.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK
from cloche.domain.errors import (
    BadRequest,
    FormatMissed,
    NotSupported,
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderForbidden,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
)
from cloche.domain.outbound import HttpCall, Send, Timeouts
from cloche.domain.translation import Report
from cloche.providers.base import Bound, Embedder, Foreign, Translator, status_in_error
from cloche.snapshot import Target
from cloche.wire.completions import read_completion
from cloche.wire.embeddings import read_embeddings
from cloche.wire.openai import Identity, read_chat
from cloche.wire.passthrough import ProviderErrorInAnswer, complete_answer, form_of

TIMEOUTS = Timeouts(connect=5.0, first_byte=25.0, between_bytes=10.0, total=30.0)
"""Shorter than of a call: somebody waits for all of them."""

MAX_ANSWER = 1024 * 1024

_SAID: Mapping[str, Any] = MappingProxyType({"messages": [{"role": "user", "content": "Say OK."}]})
_BOUND = MappingProxyType({"max_tokens": 1})
_body = msgspec.json.Encoder().encode


ADVICE: Mapping[type[Problem], str] = MappingProxyType(
    {
        ProviderCredentials: "Mend what is named above.  A key that was refused is wrong, has expired, is out of "
        "credit or may not use this model: give the entity another one.",
        ProviderForbidden: "If it is to be called, start cloche with --allow-upstream and its host or network.",
        ProviderUnreachable: "Look at the entity's base URL, or its region, and whether this host can resolve the "
        "name, open the connection and trust the certificate; a proxy may have to be set.",
        ProviderTimeout: "Try again; if it stays so, see whether the base URL is right and the provider is up.",
        ProviderBusy: "The key works: wait, or ask the provider for a higher limit.",
        ProviderUnavailable: "The key was not looked at: try again later.",
        ProviderRefused: "Look at the model's name and at what the provider says of it.",
        ProviderBroken: "See whether the base URL leads to the API of this provider.",
        FormatMissed: "The model works: it did not keep to a format that it can only be told of.",
        NotSupported: "Nothing can be done: this version of cloche does not call such models.",
        BadRequest: "The model cannot be asked a question of one token.",
    }
)
"""What to do about each kind of failure."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of the call to an entity.  `message`: why it failed, and `advice`: what to do about it; both are empty
    if it did not."""

    entity: str
    ok: bool
    message: str
    duration_ms: int
    advice: str = ""


class Prober:
    """`send`: begins a call to a provider, in `loop`."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop

    def __call__(self, targets: Sequence[Target]) -> list[Outcome]:
        """What came of a call to each external target, in their order.  Waits, half a minute at most."""
        return asyncio.run_coroutine_threadsafe(self._all(targets), self._loop).result()

    async def _all(self, targets: Sequence[Target]) -> list[Outcome]:
        return list(await asyncio.gather(*(self._one(target) for target in targets if target.local is None)))

    async def _one(self, target: Target) -> Outcome:
        began = time.monotonic()
        message = advice = ""
        try:
            try:
                await self._ask(target, _BOUND)
            except ProviderRefused as refused:
                if refused.status != 400:
                    raise
                # Models that reason refuse a bound so tight, or know it by another name only.
                await self._ask(target, {})
        except Problem as problem:
            message, advice = problem.message, ADVICE.get(type(problem), "")
        return Outcome(target.entity, not message, message, round((time.monotonic() - began) * 1000), advice)

    async def _ask(self, target: Target, bound: Mapping[str, int]) -> None:
        """One call.  Raises the Problem that it ends in."""
        model = target.translator or target.foreign or target.completer or target.embedder
        assert model is not None
        answer = _Answer(model)
        exchange = self._send(_question(model, bound), answer, TIMEOUTS)
        try:
            await answer.ended
        finally:
            exchange.cancel()


def _question(model: Bound, bound: Mapping[str, int]) -> HttpCall:
    """The call that asks a model what fits its task."""
    if isinstance(model, Foreign):
        return model.encode(read_chat(_body({**_SAID, **bound})), Report(), stream=False)
    if isinstance(model, Translator):
        return model.encode(read_chat(_body({**_SAID, **bound})), stream=False)
    if isinstance(model, Embedder):
        return model.encode(read_embeddings(_body({"input": "OK"})), Report())[0]
    return model.encode(read_completion(_body({"prompt": "Say OK.", **bound})), stream=False)


def _read(model: Bound, body: bytes) -> None:
    """Read an answer with status 200.  The Problem that it means where it is none."""
    if isinstance(model, Foreign | Embedder):
        model.decode(body)
        return
    form = form_of(CHAT_TASK if isinstance(model, Translator) else COMPLETIONS_TASK)
    try:
        complete_answer(body, Identity("", 0, model.model), model.finishes, form)
    except ProviderErrorInAnswer as error:
        raise model.error(status_in_error(error.body), {}, error.body) from None


class _Answer:
    """Waits for the end of one answer."""

    def __init__(self, model: Bound) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._model = model
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head until the body is there: it may say why not."""
        self._status = status
        self._headers = headers

    def on_data(self, data: bytes) -> None:
        """Collect, within reason."""
        self._body += data
        if len(self._body) > MAX_ANSWER:
            self.on_failure(ProviderBroken("the answer to a one-token question is larger than 1 MiB"))

    def on_end(self) -> None:
        """There is an answer, or a refusal."""
        body = bytes(self._body)
        if self._status != 200:
            self.on_failure(self._model.error(self._status, self._headers, body))
            return
        try:
            _read(self._model, body)
        except Problem as problem:
            self.on_failure(problem)
        else:
            if not self.ended.done():
                self.ended.set_result(None)

    def on_failure(self, problem: Problem) -> None:
        """There will be no answer."""
        if not self.ended.done():
            self.ended.set_exception(problem)
