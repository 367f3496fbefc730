"""Users, service principals and groups, as SCIM 2.0 has them.

Each of the three collections has the same six routes; they differ in how a document is read and told.  Reading is for
administrators too, but for who one is oneself: the list of people is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloche.control.directory import Directory
from cloche.domain.access import Group, Identity, Kind
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import scim, scim_patch, scim_query

ROOT = "/api/2.0/preview/scim/v2"
_ONE = scim_query.QUERY[3:5]


def me(context: Context, request: ControlRequest) -> Answer:
    """Who the token stands for, as SCIM has it.  The SDK reads the workspace's number from the header."""
    directory = context.people.directory()
    identity = directory.identities[request.principal.id]
    document = scim.own_document(identity, directory.groups_with(identity.id))
    return json(scim_query.selected(document, request.query), **{"x-databricks-org-id": context.workspace_id})


class _Identities:
    """Users, or service principals.  `read`: a document in place of what is kept."""

    def __init__(self, kind: Kind, read: Callable[[object, Identity], Identity]) -> None:
        self._kind = kind
        self._read = read

    def list(self, context: Context, request: ControlRequest) -> Answer:
        """Those that a filter asks for, a page at a time."""
        directory = context.people.directory()
        documents = (_told(directory, each) for each in directory.of_kind(self._kind))
        return json(scim_query.answer(documents, request.query))

    def get(self, context: Context, request: ControlRequest) -> Answer:
        """One of them."""
        found = context.people.identity(self._kind, request.path["id"])
        return json(scim_query.selected(_told(context.people.directory(), found), request.query))

    def create(self, context: Context, request: ControlRequest) -> Answer:
        """A new one."""
        body = _object(request)
        scim.refuse_groups(body)
        made = context.people.add(request.caller, self._kind, lambda fresh, _: self._read(body, fresh))
        return json(_told(context.people.directory(), made))._replace(status=201)

    def update(self, context: Context, request: ControlRequest) -> Answer:
        """Replace one of them as a whole."""
        body = _object(request)
        return self._changed(context, request, lambda kept, _: self._read(body, kept))

    def patch(self, context: Context, request: ControlRequest) -> Answer:
        """Change a part of one of them."""
        patch = decoded(request.body, scim_patch.Patch)

        def edit(kept: Identity, everybody: Directory) -> Identity:
            return self._read(scim_patch.patched(_told(everybody, kept), patch), kept)

        return self._changed(context, request, edit)

    def delete(self, context: Context, request: ControlRequest) -> Answer:
        """Remove one of them with its tokens, secrets and permissions."""
        context.people.remove(request.caller, self._kind, request.path["id"])
        return Answer(b"", 204)

    def _changed(
        self, context: Context, request: ControlRequest, edit: Callable[[Identity, Directory], Identity]
    ) -> Answer:
        changed = context.people.change(request.caller, self._kind, request.path["id"], edit)
        return json(_told(context.people.directory(), changed))


class _Groups:
    """Groups."""

    def list(self, context: Context, request: ControlRequest) -> Answer:
        """Those that a filter asks for, a page at a time."""
        directory = context.people.directory()
        names = _names(directory)
        documents = (_told_group(directory, each, names) for each in directory.groups.values())
        return json(scim_query.answer(documents, request.query))

    def get(self, context: Context, request: ControlRequest) -> Answer:
        """One of them."""
        directory = context.people.directory()
        found = context.people.group(request.path["id"])
        return json(scim_query.selected(_told_group(directory, found, _names(directory)), request.query))

    def create(self, context: Context, request: ControlRequest) -> Answer:
        """A new one."""
        body = _object(request)
        scim.refuse_groups(body)
        made = context.people.add_group(request.caller, lambda fresh, _: scim.read_group(body, fresh))
        return _one_group(context, made.id)._replace(status=201)

    def update(self, context: Context, request: ControlRequest) -> Answer:
        """Replace one of them as a whole, members and all."""
        body = _object(request)
        changed = context.people.change_group(
            request.caller, request.path["id"], lambda kept, _: scim.read_group(body, kept)
        )
        return _one_group(context, changed.id)

    def patch(self, context: Context, request: ControlRequest) -> Answer:
        """Change a part of one of them."""
        patch = decoded(request.body, scim_patch.Patch)

        def edit(kept: Group, everybody: Directory) -> Group:
            told = _told_group(everybody, kept, _names(everybody))
            return scim.read_group(scim_patch.patched(told, patch), kept)

        changed = context.people.change_group(request.caller, request.path["id"], edit)
        return _one_group(context, changed.id)

    def delete(self, context: Context, request: ControlRequest) -> Answer:
        """Remove one of them and the permissions it had."""
        context.people.remove_group(request.caller, request.path["id"])
        return Answer(b"", 204)


def _object(request: ControlRequest) -> dict[str, Any]:
    return decoded(request.body, dict[str, Any])


def _told(directory: Directory, identity: Identity) -> scim.Document:
    return scim.user_document(identity, directory.groups_with(identity.id))


def _told_group(directory: Directory, group: Group, names: dict[str, tuple[str, str]]) -> scim.Document:
    return scim.group_document(group, names, directory.groups_with(group.id))


def _names(directory: Directory) -> dict[str, tuple[str, str]]:
    collections = {Kind.USER: "Users", Kind.SERVICE_PRINCIPAL: "ServicePrincipals"}
    people = {each.id: (each.display_name, collections[each.kind]) for each in directory.identities.values()}
    return people | {each.id: (each.name, "Groups") for each in directory.groups.values()}


def _one_group(context: Context, group_id: str) -> Answer:
    directory = context.people.directory()
    return json(_told_group(directory, directory.groups[group_id], _names(directory)))


def _rows(name: str, operations: str, handlers: _Identities | _Groups, body: Any) -> tuple[Row, ...]:
    """The six routes of a collection."""
    many, one, patch = f"{ROOT}/{name}", f"{ROOT}/{name}/{{id}}", scim_patch.Patch
    return (
        Row("GET", many, Needs.ADMIN, handlers.list, f"{operations}.list", query=scim_query.QUERY),
        Row("POST", many, Needs.ADMIN, handlers.create, f"{operations}.create", body, status=201),
        Row("GET", one, Needs.ADMIN, handlers.get, f"{operations}.get", query=_ONE),
        Row("PUT", one, Needs.ADMIN, handlers.update, f"{operations}.update", body),
        Row("PATCH", one, Needs.ADMIN, handlers.patch, f"{operations}.patch", patch),
        Row("DELETE", one, Needs.ADMIN, handlers.delete, f"{operations}.delete", status=204),
    )


ROUTES = (
    Row("GET", f"{ROOT}/Me", Needs.TOKEN, me, "current_user.me", query=_ONE),
    *_rows("Users", "users", _Identities(Kind.USER, scim.read_user), scim.User),
    *_rows(
        "ServicePrincipals",
        "service_principals",
        _Identities(Kind.SERVICE_PRINCIPAL, scim.read_service_principal),
        scim.ServicePrincipal,
    ),
    *_rows("Groups", "groups", _Groups(), scim.GroupBody),
)
