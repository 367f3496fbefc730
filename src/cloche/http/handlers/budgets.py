"""Budgets in money, for administrators."""

from __future__ import annotations

from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import budgets as wire


def list_budgets(context: Context, request: ControlRequest) -> Answer:
    """Every budget with what is spent of it, what is held, and when it begins anew."""
    return json(wire.BudgetsTold(context.budgets.all()))


def create_budget(context: Context, request: ControlRequest) -> Answer:
    """Make a budget, which holds from the next call on."""
    return json(context.budgets.create(request.caller, wire.read_budget(request.body)))


def get_budget(context: Context, request: ControlRequest) -> Answer:
    """One budget."""
    return json(context.budgets.get(request.path["budget_id"]))


def change_budget(context: Context, request: ControlRequest) -> Answer:
    """Make a budget another; what is spent of it stays spent."""
    return json(context.budgets.change(request.caller, request.path["budget_id"], wire.read_budget(request.body)))


def delete_budget(context: Context, request: ControlRequest) -> Answer:
    """Forget a budget."""
    context.budgets.remove(request.caller, request.path["budget_id"])
    return json({})


_ALL = "/api/2.0/budgets"
_ONE = f"{_ALL}/{{budget_id}}"
_TAKES, _GIVES = wire.BudgetInput, wire.BudgetTold

ROUTES = (
    Row("GET", _ALL, Needs.ADMIN, list_budgets, "cloche.budgets.list", gives=wire.BudgetsTold),
    Row("POST", _ALL, Needs.ADMIN, create_budget, "cloche.budgets.create", _TAKES, _GIVES),
    Row("GET", _ONE, Needs.ADMIN, get_budget, "cloche.budgets.get", gives=_GIVES),
    Row("PUT", _ONE, Needs.ADMIN, change_budget, "cloche.budgets.change", _TAKES, _GIVES),
    Row("DELETE", _ONE, Needs.ADMIN, delete_budget, "cloche.budgets.delete"),
)
