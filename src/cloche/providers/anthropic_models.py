"""What the generations of Claude models take, told by the version in a model's name.

The API refuses with 400 what a model does not take, so that has to be known before it is asked.  A name without a
version, which a private gateway may give, is held for the newest, except that its sampling fields pass: if the model
does not take them, the provider says so.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


class Abilities(NamedTuple):
    """`thinking`: not at all; within a budget of tokens; or as much as the model sees fit, by effort.

    `budgets`: whether a budget is taken, too.  `top_efforts`: whether the effort xhigh is known.  `sampling`: whether
    temperature, top_p and top_k are taken.  `one_sampler`: temperature and top_p not together.  `schemas`: answers and
    calls can be bound to a JSON schema.
    """

    thinking: Literal["none", "budget", "adaptive"]
    budgets: bool
    top_efforts: bool
    sampling: bool
    one_sampler: bool
    schemas: bool


def abilities(model: str) -> Abilities:
    """What a model takes."""
    found = _VERSION.search(model)
    if found is None:
        return Abilities("adaptive", budgets=True, top_efforts=True, sampling=True, one_sampler=True, schemas=True)
    version = int(found[1]), int(found[2] or 0)
    return Abilities(
        thinking="none" if version < (3, 7) else "budget" if version < (4, 6) else "adaptive",
        budgets=(3, 7) <= version < (4, 7),
        top_efforts=version >= (4, 7),
        sampling=version < (4, 7),
        one_sampler=version >= (4, 1),
        schemas=version >= (4, 1),
    )
