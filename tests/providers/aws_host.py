"""A host on AWS, as far as looking for its keys goes: variables, files and services, all given; steps taken by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from cloche.domain.errors import Problem, ProviderUnreachable
from cloche.domain.lending import Found, FromHost, Lent, Source
from cloche.domain.outbound import HttpCall, Origin

NOW = 1440938160.0  # 20150830T123600Z
THEN = "2015-08-30T13:36:00Z"
ENDS = NOW + 3600

STS = "https://sts.eu-west-1.amazonaws.com"
ECS = "http://169.254.170.2"
EC2 = "http://169.254.169.254"
ROLES = f"GET {EC2}/latest/meta-data/iam/security-credentials/"


class Asked(NamedTuple):
    """A call as it would be sent."""

    what: str
    fields: dict[str, str]
    body: str
    origin: Origin

    @property
    def form(self) -> dict[str, str]:
        """The body's fields."""
        return {name: value for name, [value] in parse_qs(self.body, strict_parsing=True).items()}


def read(call: HttpCall) -> Asked:
    """`GET http://host/path`, the header fields, and the body."""
    line, *fields = call.head.decode("ascii").split("\r\n")[:-1]
    method, target, _ = line.split(" ")
    scheme = "https" if call.origin.tls else "http"
    headers = dict(field.split(": ", 1) for field in fields)
    return Asked(f"{method} {scheme}://{headers['host']}{target}", headers, b"".join(call.body).decode(), call.origin)


class Host:
    """Takes the steps of a source.  `answers`: by what is asked; a service that is not there cannot be reached."""

    def __init__(
        self,
        variables: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        answers: Mapping[str, str | Found | Problem] | None = None,
    ) -> None:
        self.variables = variables or {}
        self.files = files or {}
        self.answers = answers or {}
        self.asked: list[Asked] = []

    def keys(self, source: Source) -> Lent:
        """What the source lends in the end."""
        steps = source.obtain(NOW)
        try:
            step = next(steps)
            while True:
                outcome = self._take(step)
                step = steps.throw(outcome) if isinstance(outcome, Problem) else steps.send(outcome)
        except StopIteration as stop:
            lent: Lent = stop.value
            return lent

    def _take(self, step: HttpCall | FromHost) -> Found | Problem:
        if isinstance(step, FromHost):
            text = (self.variables if step.kind == "variable" else self.files).get(step.name)
            return Found(404, {}, b"") if text is None else Found(200, {}, text.encode())
        self.asked.append(read(step))
        answer = self.answers.get(self.asked[-1].what, ProviderUnreachable("no route"))
        return Found(200, {}, answer.encode()) if isinstance(answer, str) else answer
