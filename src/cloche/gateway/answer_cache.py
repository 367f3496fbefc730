"""Answers that are given again to whoever asks exactly the same, where the endpoint's rules want that.

A call is looked up once its limits and its input's guard have let it pass, and its answer is kept as the output's guard
let it pass; that guard sees it once more when it is given again.  Whole answers are kept and nothing else.  They lie
in files of the home, each endpoint's in a folder that bears its generation, so that any change of it leaves them
behind; an entry has one of `max_entries` places there, and puts out whatever had it before.  A look costs 35 µs, and
to keep an answer 0.3 ms, of calls of such endpoints alone.  Must not know how answers are kept, or who would have
answered.
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from cloche.domain.ai_gateway import ResponseCache
from cloche.domain.chat import NOTHING_USED
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.keeping import Keeping
from cloche.gateway.kept_answers import Kept, KeptAnswers
from cloche.gateway.sameness import generation, question
from cloche.snapshot import CompiledEndpoint, Slot

log = logging.getLogger("cloche.gateway")

FOLDER = "answer-cache"
"""In the home."""

_ANEW = (b"no-cache", b"no-store")
"""Words of the header Cache-Control with which a client wants an answer of its own."""


class Cached:
    """One call of an endpoint that keeps answers, from before its guards on."""

    __slots__ = ("_cache", "_call", "_compiled", "_keeping", "_rules")

    def __init__(self, cache: AnswerCache, call: Call, compiled: CompiledEndpoint, rules: ResponseCache) -> None:
        self._cache = cache
        self._call = call
        self._compiled = compiled
        self._rules = rules
        self._keeping = call.reply = Keeping(call.reply)

    def answer(self, request: Request, entity: str | None) -> bool:
        """Whether there was an answer, which was given.  Else the one that comes will be kept."""
        call, rules = self._call, self._rules
        assert call.grant is not None
        whose = "" if rules.shared else call.grant.principal.id
        asked = question(call, request, self._compiled, entity, whose=whose)
        place = str(int.from_bytes(asked[:8], "big") % rules.max_entries)
        folder = found = None
        try:
            folder = self._cache.folder(self._compiled, rules)
            found = folder.find(place, asked)
        except OSError as error:
            log.warning("kept answers cannot be read: %s", error)
        call.cache = "miss" if found is None else "hit"
        if found is None:
            self._cache.misses += 1
            if folder is None:
                return False
            keep = functools.partial(folder.put, place, asked)
            call.on_end = functools.partial(_ended, keep, self._keeping, call.on_end)
            return False
        self._cache.hits += 1
        if found.streamed:
            call.send(found.content)
            call.finish(NOTHING_USED)
        else:
            call.answer(found.content, NOTHING_USED)
        self._keeping.release()
        return True


def _ended(keep: Callable[[Kept], None], keeping: Keeping, on_end: Callable[[Call], None] | None, call: Call) -> None:
    # A blocked answer can be one of status 200: then there is a problem.
    good = call.outcome == "ok" and call.status == 200 and call.problem is None
    answer = keeping.kept() if good else None
    keeping.release()
    if answer is not None:
        try:
            keep(answer)
        except OSError as error:
            log.warning("an answer could not be kept: %s", error)
    if on_end is not None:
        on_end(call)


class AnswerCache:
    """`folder`: where, made if it is not there.  `slot`: tells which endpoints keep answers.  `hits`, `misses`: of this
    process."""

    def __init__(self, folder: Path, slot: Slot) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._slot = slot
        self._folders: dict[str, tuple[str, KeptAnswers]] = {}
        self.hits = 0
        self.misses = 0

    def begin(self, call: Call, compiled: CompiledEndpoint) -> Cached | None:
        """To be called before the call's answer is guarded.  None if nothing is kept of it, or it wants nothing that
        was."""
        rules = None if compiled.rules is None else compiled.rules.cache_config
        # What an earlier version answers, while the engines of the active one are loaded, is not the active one's.
        if rules is None or not rules.enabled or compiled.outdated:
            return None
        control = call.headers.get(b"cache-control", b"").lower()
        if any(word in control for word in _ANEW):
            return None
        return Cached(self, call, compiled, rules)

    def folder(self, compiled: CompiledEndpoint, rules: ResponseCache) -> KeptAnswers:
        """Where an endpoint's answers are.  Raises OSError."""
        name = generation(compiled)
        at = self._folders.get(compiled.endpoint.id)
        if at is None or at[0] != name:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            at = self._folders[compiled.endpoint.id] = (
                name,
                KeptAnswers(self._folder / name, seconds=rules.ttl_seconds),
            )
        return at[1]

    def sweep(self) -> None:
        """Remove what is too old, and what was kept before an endpoint was changed.  For a thread: it looks at each
        file."""
        keep: dict[str, ResponseCache] = {}
        for compiled in self._slot.current().endpoints.values():
            rules = None if compiled.rules is None else compiled.rules.cache_config
            if rules is not None and rules.enabled:
                keep[generation(compiled)] = rules
        for endpoint_id, (name, _) in tuple(self._folders.items()):
            if name not in keep:
                self._folders.pop(endpoint_id, None)
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            rules = keep.get(path.name)
            if rules is None:
                shutil.rmtree(path, ignore_errors=True)
            else:
                KeptAnswers(path, seconds=rules.ttl_seconds).sweep()
