"""Sources that lend what the test says, and credentials before an upstream that the test answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from cloche.domain.errors import Problem, ProviderCredentials, ProviderUnreachable
from cloche.domain.lending import FromHost, Lent, Steps, lines
from cloche.domain.outbound import HttpCall, Origin, Receiver, Timeouts
from cloche.gateway.credentials import Credentials
from cloche.gateway.obtaining import HostAccess

from .scripted import Outbound

TOKENS = Origin("tokens.test", 443, tls=True)
MODELS = Origin("models.test", 443, tls=True)
HOUR = 3600.0


class Tokens(msgspec.Struct, frozen=True):
    """A source that asks for a token, and takes it as it comes.  `file`, `of_host`: where it looks on the machine.
    `life`: seconds that it lasts."""

    name: str = "a"
    file: str | None = None
    of_host: bool = False
    life: float = HOUR

    def obtain(self, now: float) -> Steps:
        """One step, or two."""
        found = yield (
            HttpCall(Origin("here", 80, of_host=True) if self.of_host else TOKENS, b"POST /token\r\n", ())
            if self.file is None
            else FromHost("file", self.file)
        )
        if found.status != 200:
            raise ProviderCredentials(f"no token: {found.status}")
        return Lent({"token": found.body.decode()}, now + self.life)


class Patient(msgspec.Struct, frozen=True):
    """A source that knows a second way when the first is not there."""

    def obtain(self, now: float) -> Steps:
        """A variable, or else a server."""
        first = yield FromHost("variable", "TOKEN")
        if first.status == 200:
            return Lent({"token": first.body.decode()})
        try:
            yield HttpCall(TOKENS, b"POST /token\r\n", ())
        except ProviderUnreachable:
            return Lent({"token": "last"}, None)
        raise AssertionError


class Defect(msgspec.Struct, frozen=True):
    """A source with a mistake in it."""

    def obtain(self, now: float) -> Steps:
        """Fails."""
        yield HttpCall(TOKENS, b"POST /token\r\n", ())
        raise KeyError("access_token")


class Stamp:
    """Puts the token on a call."""

    def __init__(self, source: Tokens | Patient | Defect) -> None:
        self.source = source

    def authorize(self, call: HttpCall, lent: Lent, now: float) -> HttpCall:
        """As a header line."""
        if lent.values["token"] == "useless":
            raise ProviderCredentials("that cannot be used")
        if lent.values["token"] == "defect":
            raise KeyError("signature")
        return lines(call, {"authorization": lent.values["token"]})


class Told:
    """A receiver that remembers."""

    def __init__(self) -> None:
        self.status = 0
        self.data = b""
        self.ends = 0
        self.problem: Problem | None = None

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Part of Receiver."""
        self.status = status

    def on_data(self, data: bytes) -> None:
        """Part of Receiver."""
        self.data += data

    def on_end(self) -> None:
        """Part of Receiver."""
        self.ends += 1

    def on_failure(self, problem: Problem) -> None:
        """Part of Receiver."""
        assert self.problem is None
        self.problem = problem


class World:
    """Credentials before an upstream that the test answers."""

    def __init__(self, variables: dict[str, str] | None = None) -> None:
        self.sent: list[Outbound] = []
        self.time = 1_000_000.0
        self.credentials = Credentials(self._send, HostAccess(variables), lambda: self.time)

    def _send(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Outbound:
        self.sent.append(Outbound(call, receiver, timeouts))
        return self.sent[-1]

    def call(self, source: Tokens | Patient | Defect | None = None) -> Told:
        """A call to the model."""
        told = Told()
        authorizer = Stamp(source or Tokens())
        self.exchange = self.credentials.send(
            HttpCall(MODELS, b"POST /chat\r\n", (b"{}",), authorizer), told, Timeouts()
        )
        return told

    def asked(self, origin: Origin) -> list[Outbound]:
        """What was sent there."""
        return [each for each in self.sent if each.call.origin == origin]


def run(test: Callable[[], Awaitable[None]]) -> None:
    """In a loop of its own."""

    async def main() -> None:
        await test()

    asyncio.run(main())


async def turn() -> None:
    """Let what is due in the loop happen, also in threads."""
    for _ in range(20):
        await asyncio.sleep(0.001)
