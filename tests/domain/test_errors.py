"""The error tree: what is drawn is what is there, and every code is one that the clients understand."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from databricks.sdk.errors.platform import ERROR_CODE_MAPPING, STATUS_CODE_MAPPING
from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS

from cloche.domain import errors
from cloche.domain.errors import CallerFault, Conflict, OurFault, Problem, ProviderFault, ProviderRefused

FAMILIES = (CallerFault, ProviderFault, OurFault)
DRAWN = {
    name: (status, code)
    for name, status, code in re.findall(
        r"[├└]── (\w+) +(\d{3}|4xx)[ ,]+(?:the provider's own|([A-Z_]+))", errors.__doc__ or ""
    )
}


def leaves(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """The classes that are raised."""
    for sub in kind.__subclasses__():
        if sub.__module__ == errors.__name__:
            if sub not in FAMILIES:
                yield sub
            yield from leaves(sub)


LEAVES = sorted(leaves(), key=lambda leaf: leaf.__name__)


def test_the_tree_is_drawn_whole() -> None:
    """Every leaf is in the drawn tree, and nothing is drawn that is not there."""
    assert DRAWN.keys() == {leaf.__name__ for leaf in LEAVES}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_each_leaf_is_as_it_is_drawn(leaf: type[Problem]) -> None:
    """Status and code are those of the drawing, and every leaf says what it means and whose fault it is."""
    status, code = DRAWN[leaf.__name__]
    if leaf is ProviderRefused:
        assert (status, code) == ("4xx", "")
        assert ProviderRefused("m", status=404).status == 404
    else:
        assert (str(leaf.status), leaf.code) == (status, code)
    assert leaf.__doc__
    assert sum(issubclass(leaf, family) for family in FAMILIES) == 1


NOT_REBUILT = {
    "FormatMissed": "as ProviderBroken",
    "ProviderBroken": "no code stands for 502: MLflow shows 500, and retries both",
    "QuotaExceeded": "the documented code of a full scope; no method of MLflow's client leads to it",
    "RequestTimeout": "no code stands for 408: MLflow shows 504, which says the same; no such client is that slow",
}
"""Leaves whose status no code brings back, with the reason."""

UNKNOWN_TO_SDK = {"FormatMissed", "ProviderBroken", "RequestTimeout"}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_mlflow_rebuilds_our_status(leaf: type[Problem]) -> None:
    """MLflow throws the status away and rebuilds it from the code: it must come out the same."""
    assert (ERROR_CODE_TO_HTTP_STATUS.get(leaf.code) == leaf.status) is (leaf.__name__ not in NOT_REBUILT)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_the_databricks_sdk_has_an_exception_of_its_own(leaf: type[Problem]) -> None:
    """The SDK finds an exception by our code or by our status."""
    known = leaf.code in ERROR_CODE_MAPPING or leaf.status in STATUS_CODE_MAPPING
    assert known is (leaf.__name__ not in UNKNOWN_TO_SDK)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_no_status_is_one_that_clients_misread(leaf: type[Problem]) -> None:
    """422 is retried by MLflow as a 500 and 409 by the OpenAI client: neither is ever sent, but for changes of
    endpoints, which that client does not make and for which 409 is the documented answer."""
    assert leaf.status not in (409, 413, 422) or leaf is Conflict


def test_words_and_a_time_to_return() -> None:
    """A problem bears its public words, and a time where there is one."""
    problem = errors.LimitExceeded("busy", retry_after=3)
    assert (problem.message, str(problem), problem.retry_after) == ("busy", "busy", 3)
    assert errors.NotFound("gone").retry_after is None
