"""The compatibility file says all there is to say, and nothing that no test proves."""

from __future__ import annotations

import ast
import inspect
import re

from databricks.sdk.service import iam, oauth2, serving, settings, workspace
from mlflow.deployments.databricks import DatabricksDeploymentClient

from cloche.http.chat_paths import match
from cloche.http.compatibility import operations
from cloche.http.routes import ROUTES

from .pages import ROOT

CLIENTS = {
    "serving_endpoints": serving.ServingEndpointsAPI,
    "serving_endpoints_data_plane": serving.ServingEndpointsDataPlaneAPI,
    "permissions": iam.PermissionsAPI,
    "users": iam.UsersV2API,
    "groups": iam.GroupsV2API,
    "service_principals": iam.ServicePrincipalsV2API,
    "current_user": iam.CurrentUserAPI,
    "tokens": settings.TokensAPI,
    "token_management": settings.TokenManagementAPI,
    "secrets": workspace.SecretsAPI,
    "service_principal_secrets_proxy": oauth2.ServicePrincipalSecretsProxyAPI,
    "mlflow.deployments": DatabricksDeploymentClient,
}
WAITS = re.compile(r"_and_wait$|^wait_")
"""Methods of the clients that only call others and wait."""


def test_every_route_has_an_entry() -> None:
    """Each row of the route table stands in the file under its own method and path, and no other route does."""
    told = {(each.operation, each.route) for each in operations() if each.route}
    table = {(row.operation, f"{row.method} {row.path}") for row in ROUTES}
    chat = {each for each in told if match(each[1].removeprefix("POST ").replace("{", "").replace("}", "").encode())}
    assert told - chat == table
    assert len(chat) >= 5


def test_every_method_of_the_clients_has_an_entry() -> None:
    """What a client can call is told to be supported or not."""
    methods = {
        f"{name}.{method}"
        for name, client in CLIENTS.items()
        for method, _ in inspect.getmembers(client, inspect.isfunction)
        if not method.startswith("_") and not WAITS.search(method)
    }
    told = {each.operation for each in operations()}
    assert methods - told == set()


def test_every_claim_names_its_proof() -> None:
    """What is said to be supported names a test that exists; what is not says why."""
    wrong = []
    for each in operations():
        if each.support != "supported" and not each.why:
            wrong.append(f"{each.operation}: why?")
        if each.support == "not supported":
            continue
        file, _, name = each.test.partition("::")
        path = ROOT / file
        tests = (
            [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            if (path.is_file())
            else []
        )
        if name not in tests:
            wrong.append(f"{each.operation}: no test {each.test!r}")
    assert wrong == []


def test_no_operation_is_told_twice() -> None:
    """One operation, one entry for each of its routes."""
    told = [(each.operation, each.route) for each in operations()]
    assert sorted(set(told)) == sorted(told)
