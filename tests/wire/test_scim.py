"""SCIM's JSON: filters, pages, changes in part, and what is read of a document."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.access import Group, Identity, Kind
from cloche.domain.errors import BadRequest, CallerFault, InvalidFields, InvalidParameter, Problem
from cloche.wire import scim, scim_patch, scim_query

ADA = Identity("1", Kind.USER, "ada@x.org", "Ada", True, "ext", ("ada@x.org", "a@y.org"), ("workspace-access",), 5)
BOB = Identity("2", Kind.USER, "bob", 'Bob "B"', active=False)
PEOPLE = [scim.user_document(each, [Group("9", "team")]) for each in (ADA, BOB)]
FRESH = Identity("7", Kind.USER, "", "")


def found(**query: str) -> list[str]:
    """Ids of those that a query asks for."""
    return [each["id"] for each in scim_query.answer(PEOPLE, query)["Resources"]]


def patched(document: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    """A document after operations."""
    return scim_patch.patched(document, msgspec.convert({"Operations": operations}, scim_patch.Patch))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('userName eq "ADA@x.org"', ["1"]),
        ("userName eq 'bob'", ["2"]),
        ('displayName eq "Bob \\"B\\""', ["2"]),
        ('displayName co "O"', ["2"]),
        ('userName sw "a"', ["1"]),
        ('userName ne "bob"', ["1"]),
        ("active eq true", ["1"]),
        ('emails.value eq "a@y.org"', ["1"]),
        ('externalId eq "EXT"', []),
        ('id eq "1" or id eq "2" and active eq true', ["1"]),
        ('(id eq "1" or id eq "2") and active eq false', ["2"]),
    ],
)
def test_filters(text: str, ids: list[str]) -> None:
    """Comparisons, their combinations and both kinds of quotes are understood; `and` binds more tightly."""
    assert found(filter=text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "userName",
        "userName eq",
        "userName eq bob",
        'userName gt "a"',
        'nickName eq "a"',
        'userName eq "a" userName eq "b"',
        '(userName eq "a"',
        'userName eq "a',
        "userName eq true",
        "active co true",
        "(" * 40,
        'userName eq "' + "a" * 5000 + '"',
        'not userName eq "a"',
    ],
)
def test_other_filters_are_refused(text: str) -> None:
    """What is not understood is told, never ignored."""
    with pytest.raises(InvalidParameter, match="filter"):
        found(filter=text)


def test_pages_orders_and_attributes() -> None:
    """Counting begins at 1; a page beyond the end is empty; the id is always told."""
    assert found(startIndex="2") == ["2"]
    assert found(startIndex="-5", count="1") == ["1"]
    assert found(startIndex="3") == found(count="0") == []
    assert found(sortBy="userName", sortOrder="descending") == ["2", "1"]
    page = scim_query.answer(PEOPLE, {"count": "1", "attributes": "userName,emails.value"})
    assert (page["totalResults"], page["itemsPerPage"]) == (2, 1)
    assert page["Resources"][0].keys() == {"schemas", "id", "userName", "emails"}
    assert "groups" not in scim_query.selected(PEOPLE[0], {"excludedAttributes": "groups"})
    for wrong in ({"count": "x"}, {"sortBy": "nickName"}, {"sortBy": "id", "sortOrder": "up"}):
        with pytest.raises(InvalidParameter):
            found(**wrong)


def test_what_is_told_can_be_put_back() -> None:
    """A document that was told reads as what it was made of."""
    assert scim.read_user(PEOPLE[0], ADA) == ADA
    robot = Identity("3", Kind.SERVICE_PRINCIPAL, "app", "Job", entitlements=("workspace-access",))
    assert scim.read_service_principal(scim.user_document(robot, []), robot) == robot
    group = Group("4", "team", frozenset({"1", "3"}), entitlements=("workspace-access",))
    assert scim.read_group(scim.group_document(group, {}, []), group) == group


def test_names_are_found_where_they_are() -> None:
    """Without a display name the parts of the name are shown, and without those the user's name."""
    name = {"givenName": "Ada", "familyName": "Lovelace"}
    assert scim.read_user({"userName": "ada", "name": name}, FRESH).display_name == "Ada Lovelace"
    assert scim.read_user({"userName": "ada"}, FRESH).display_name == "ada"
    assert not scim.read_user({"userName": "bob"}, BOB).active


def test_all_faults_are_told() -> None:
    """Every wrong field of a document is named, and what cannot be kept is refused."""
    body = {
        "userName": " x",
        "emails": [{"value": ""}],
        "roles": [{"value": "arn"}],
        "entitlements": [{"value": "a b"}],
    }
    with pytest.raises(InvalidFields) as caught:
        scim.read_user(body, FRESH)
    assert {field for field, _ in caught.value.details} >= {
        "userName",
        "emails[0].value",
        "roles",
        "entitlements[0].value",
    }
    with pytest.raises(BadRequest, match="userName: this field is required"):
        scim.read_user({}, FRESH)
    with pytest.raises(InvalidFields, match="groups"):
        scim.refuse_groups({"groups": [{"value": "9"}]})


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "3"}, {"value": "1"}]}, ["1", "2", "3"]),
        ({"op": "Add", "path": "members", "value": {"value": "3"}}, ["1", "2", "3"]),
        ({"op": "add", "value": {"members": ["3"]}}, ["1", "2", "3"]),
        ({"op": "replace", "path": "members", "value": [{"value": "3"}]}, ["3"]),
        ({"op": "replace", "path": "members", "value": []}, []),
        ({"op": "replace", "path": 'members[value eq "2"].value', "value": "3"}, ["1", "3"]),
        ({"op": "remove", "path": 'members[value eq "2"]'}, ["1"]),
        ({"op": "remove", "path": 'members[value eq "8"]'}, ["1", "2"]),
        ({"op": "remove", "path": "members", "value": [{"value": "1"}]}, ["2"]),
        ({"op": "remove", "path": "members"}, []),
        ({"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members"}, []),
    ],
)
def test_lists_are_changed_in_part(operation: dict[str, Any], members: list[str]) -> None:
    """Members are added, replaced and removed in each of the ways that clients write it; the original stays."""
    group = {"displayName": "team", "members": [{"value": "1"}, {"value": "2"}]}
    assert [each["value"] for each in patched(group, operation)["members"]] == members
    assert len(group["members"]) == 2


def test_single_values_are_changed() -> None:
    """Attributes with one value are set and removed; without a value `active` is false, as the SDK sends it."""
    assert patched(PEOPLE[0], {"op": "replace", "path": "active"})["active"] is False
    assert patched(PEOPLE[1], {"op": "replace", "value": {"active": True, "id": "1"}})["active"] is True
    assert "externalId" not in patched(PEOPLE[0], {"op": "remove", "path": "externalId"})
    assert patched({}, {"op": "add", "path": "name.givenName", "value": "A"}) == {"name": {"givenName": "A"}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "move", "path": "active"},
        {"op": "add"},
        {"op": "remove"},
        {"op": "replace", "path": "displayName"},
        {"op": "replace", "path": "groups", "value": []},
        {"op": "replace", "path": "id", "value": "1"},
        {"op": "replace", "path": "members[", "value": "1"},
        {"op": "replace", "path": "active[value eq 'x']", "value": True},
        {"op": "add", "path": "members", "value": 5},
        {"op": "add", "path": "members", "value": [{"display": "x"}]},
        {"op": "replace", "path": "members[value eq '1']", "value": []},
        {"op": "replace", "path": "members[value eq '1'].value", "value": {"a": 1}},
        {"op": "replace", "path": "members[value eq '8']", "value": {"value": "9"}},
        {"op": "remove", "path": "members[nick eq '8']"},
    ],
)
def test_wrong_operations_are_told(operation: dict[str, Any]) -> None:
    """An operation that cannot be done is refused with its place, and so is the whole patch."""
    with pytest.raises(Problem, match=r"Operations\[0\]|filter"):
        patched({"members": [{"value": "1"}]}, operation)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "members", "a"]), inner),
    max_leaves=6,
)


@given(
    op=st.sampled_from(["add", "replace", "remove"]),
    path=st.none() | st.sampled_from(["members", "active", "name.x", "members[value eq '1']", "emails"]) | st.text(),
    value=JSON,
)
def test_no_patch_breaks_anything(op: str, path: str | None, value: object) -> None:
    """Whatever is sent as a change ends in a document that is read, or in a refusal."""
    with contextlib.suppress(CallerFault):
        document = patched(
            scim.group_document(Group("4", "team", frozenset("1")), {}, []), {"op": op, "path": path, "value": value}
        )
        scim.read_group(document, Group("4", "team"))


@given(st.text(alphabet="abc \"'()\\=", max_size=30) | st.text(max_size=30))
def test_no_filter_breaks_anything(text: str) -> None:
    """Whatever is sent as a filter is understood or refused."""
    with contextlib.suppress(InvalidParameter):
        assert set(found(filter=text)) <= {"1", "2"}
