"""Secret scopes, their values, who may do what with them, and the rewrapping of all that is sealed."""

from __future__ import annotations

from cloche.domain.errors import InvalidParameter
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import secrets as wire

_SCOPE = ("scope", "The scope's name.")


def create_scope(context: Context, request: ControlRequest) -> Answer:
    """Make a scope, which the caller manages, or everybody."""
    name, for_all = wire.scope_to_create(decoded(request.body, wire.CreateScope))
    context.secret_scopes.create(request.caller, name, for_all=for_all)
    return json({})


def list_scopes(context: Context, request: ControlRequest) -> Answer:
    """The scopes that the caller may read."""
    return json(wire.scopes(context.secret_scopes.names(request.principal)))


def delete_scope(context: Context, request: ControlRequest) -> Answer:
    """Remove a scope with all its secrets."""
    context.secret_scopes.delete(request.caller, decoded(request.body, wire.ScopeName).scope)
    return json({})


def put_secret(context: Context, request: ControlRequest) -> Answer:
    """Keep a value; endpoints that use it have it when the call is answered."""
    asked = decoded(request.body, wire.PutSecret)
    context.secret_scopes.put(request.caller, asked.scope, asked.key, wire.value_to_put(asked))
    return json({})


def list_secrets(context: Context, request: ControlRequest) -> Answer:
    """The keys of a scope, without their values."""
    return json(wire.secret_items(context.secret_scopes.keys(request.principal, _asked(request, "scope"))))


def get_secret(context: Context, request: ControlRequest) -> Answer:
    """A value, in base64, for those who may read the scope."""
    key = _asked(request, "key")
    value = context.secret_scopes.value(request.caller, _asked(request, "scope"), key)
    return Answer(json(wire.secret_value(key, value)).body, headers=(("cache-control", "no-store"),))


def delete_secret(context: Context, request: ControlRequest) -> Answer:
    """Remove a secret."""
    asked = decoded(request.body, wire.SecretName)
    context.secret_scopes.remove(request.caller, asked.scope, asked.key)
    return json({})


def put_acl(context: Context, request: ControlRequest) -> Answer:
    """Give a principal or group a level on a scope."""
    asked = decoded(request.body, wire.PutAcl)
    level = wire.read_level(asked.permission)
    context.secret_scopes.put_acl(request.caller, asked.scope, asked.principal, level)
    return json({})


def get_acl(context: Context, request: ControlRequest) -> Answer:
    """The level of one principal or group on a scope."""
    name = _asked(request, "principal")
    return json(wire.acl_item(name, context.secret_scopes.acl(request.principal, _asked(request, "scope"), name)))


def list_acls(context: Context, request: ControlRequest) -> Answer:
    """Every level that was given on a scope."""
    return json(wire.acls(context.secret_scopes.acls(request.principal, _asked(request, "scope"))))


def delete_acl(context: Context, request: ControlRequest) -> Answer:
    """Take a principal's or group's level on a scope."""
    asked = decoded(request.body, wire.AclName)
    context.secret_scopes.remove_acl(request.caller, asked.scope, asked.principal)
    return json({})


def rewrap(context: Context, request: ControlRequest) -> Answer:
    """Wrap every sealed value with the newest master key."""
    count, key_id = context.master_key.rewrap(request.caller)
    return json(wire.Rewrapped(count, key_id))


def _asked(request: ControlRequest, name: str) -> str:
    """A query parameter that must be there."""
    value = request.query.get(name)
    if not value:
        raise InvalidParameter(f"{name}: the query must name it, as in ?{name}=…")
    return value


_PATH = "/api/2.0/secrets"
_KEY = ("key", "The secret's name in its scope.")
_PRINCIPAL = ("principal", "A user's name, an application id or a group's name.")

ROUTES = (
    Row("POST", f"{_PATH}/scopes/create", Needs.CREATE, create_scope, "secrets.create_scope", wire.CreateScope),
    Row("GET", f"{_PATH}/scopes/list", Needs.TOKEN, list_scopes, "secrets.list_scopes", None, wire.Scopes),
    Row("POST", f"{_PATH}/scopes/delete", Needs.SCOPE_MANAGE, delete_scope, "secrets.delete_scope", wire.ScopeName),
    Row("POST", f"{_PATH}/put", Needs.SCOPE_WRITE, put_secret, "secrets.put_secret", wire.PutSecret),
    Row(
        "GET",
        f"{_PATH}/list",
        Needs.SCOPE_READ,
        list_secrets,
        "secrets.list_secrets",
        None,
        wire.SecretItems,
        (_SCOPE,),
    ),
    Row(
        "GET",
        f"{_PATH}/get",
        Needs.SCOPE_READ,
        get_secret,
        "secrets.get_secret",
        None,
        wire.SecretValue,
        (_SCOPE, _KEY),
    ),
    Row("POST", f"{_PATH}/delete", Needs.SCOPE_WRITE, delete_secret, "secrets.delete_secret", wire.SecretName),
    Row("POST", f"{_PATH}/acls/put", Needs.SCOPE_MANAGE, put_acl, "secrets.put_acl", wire.PutAcl),
    Row(
        "GET",
        f"{_PATH}/acls/get",
        Needs.SCOPE_MANAGE,
        get_acl,
        "secrets.get_acl",
        None,
        wire.AclItem,
        (_SCOPE, _PRINCIPAL),
    ),
    Row("GET", f"{_PATH}/acls/list", Needs.SCOPE_MANAGE, list_acls, "secrets.list_acls", None, wire.Acls, (_SCOPE,)),
    Row("POST", f"{_PATH}/acls/delete", Needs.SCOPE_MANAGE, delete_acl, "secrets.delete_acl", wire.AclName),
    Row("POST", "/api/2.0/cloche/secrets/rewrap", Needs.ADMIN, rewrap, "cloche.rewrap", None, wire.Rewrapped),
)
