"""What each method sends and how its answer is read, without any I/O: the blocking client and the
one for asyncio share it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from lastro import commands
from lastro._ids import new_id
from lastro._models import (
    Account,
    AccountsPage,
    Balance,
    BalancesPage,
    Batch,
    Delivery,
    Endpoint,
    EventsPage,
    LimitsPage,
    Operation,
    Payment,
    PaymentsPage,
    StatementPage,
    Transfer,
    TransfersPage,
    problem_from_json,
)
from lastro._retry import Retry
from lastro.errors import (
    BatchRefused,
    Conflict,
    Denied,
    LastroError,
    NotFound,
    Problem,
    Refused,
    Unavailable,
)

T = TypeVar("T")


_Window = tuple[str | None, str | None, str | None]
"""From when on, before when, and in which order."""

_PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses after which the same request may succeed later; 502 is a proxy's."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request."""

    method: str
    path: str
    read: Callable[[Mapping[str, Any], bool], T]
    """Reads the body of a success; the flag says whether the answer is a replay."""
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    repeatable: bool = True
    """Whether it may be sent again after an attempt whose outcome is unknown."""
    wait_s: int = 0
    """How long the server may hold back its answer."""


@dataclass(frozen=True)
class Pause:
    """The call is to be sent again after so many seconds."""

    seconds: float


class Attempts(Generic[T]):
    """Decides after each attempt of one call: return, raise, or wait and send it again."""

    def __init__(self, call: Call[T], retry: Retry, now_s: float) -> None:
        self._call = call
        self._retry = retry
        self._last_start_s = now_s + retry.within_s + call.wait_s
        self._count = 0
        self._nothing_done = True

    def answered(
        self, status: int, headers: Mapping[str, str], content: bytes, now_s: float
    ) -> T | Pause:
        """The result, or the pause before the next attempt.

        Raises what the answer stands for, if it is final."""
        if 200 <= status < 300:
            replayed = headers.get("idempotency-replayed") == "true"
            return self._call.read(_json(content, status), replayed)
        problem = _problem(content, status)
        if status < 500 and status not in _PASSING:
            raise _refusal(problem, self._call)
        nothing_done = status == 429 or problem.members.get("nothing_done") is True
        if self._call.method == "GET":
            nothing_done = True
        message = f"{problem.code}: {problem.detail}"
        asked_s = _retry_after_s(headers)
        return Pause(
            self._again(message, problem, nothing_done=nothing_done, asked_s=asked_s, now_s=now_s)
        )

    def failed(self, error: Exception, *, sent: bool, now_s: float) -> float:
        """The seconds to wait after an attempt without an answer; `sent` says whether the request
        may have left.

        Raises `Unavailable` if there is no time for another attempt."""
        nothing_done = not sent or self._call.method == "GET"
        message = str(error) or type(error).__name__
        return self._again(message, None, nothing_done=nothing_done, asked_s=None, now_s=now_s)

    def _again(
        self,
        message: str,
        problem: Problem | None,
        *,
        nothing_done: bool,
        asked_s: float | None,
        now_s: float,
    ) -> float:
        self._count += 1
        self._nothing_done = self._nothing_done and nothing_done
        pause_s = self._retry.pause_s(self._count, asked_s)
        may_repeat = self._call.repeatable or self._nothing_done
        is_passing = problem is None or problem.status in _PASSING
        if not (may_repeat and is_passing) or now_s + pause_s > self._last_start_s:
            raise Unavailable(message, problem, nothing_done=self._nothing_done)
        return pause_s


def _json(content: bytes, status: int) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise LastroError(f"status {status} with a body that is no JSON object: is this Lastro?")
    return body


def _problem(content: bytes, status: int) -> Problem:
    """The problem in a body. A proxy on the way writes none: then the status stands for itself."""
    try:
        return problem_from_json(json.loads(content))
    except (ValueError, KeyError, TypeError):
        text = content[:200].decode("utf-8", "replace")
        return Problem(status=status, code=f"http_{status}", detail=text or "an empty body")


def _refusal(problem: Problem, call: Call[Any]) -> Refused:
    outcomes = problem.members.get("outcomes")
    if isinstance(outcomes, list):
        batch = Batch.from_json({"atomic": True, **problem.members})
        return BatchRefused(problem, problem.members.get("index"), batch)
    match problem.status:
        case 401 | 403:
            return Denied(problem)
        case 404:
            return NotFound(problem)
        case 409:
            return Conflict(problem)
        case _:
            return Refused(problem)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Both forms of `Retry-After` (RFC 9110 §10.2.3), in seconds from now."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError):
        return None


def _transfer(body: Mapping[str, Any], replayed: bool) -> Transfer:
    return Transfer.from_json(body, replayed=replayed)


def _account(body: Mapping[str, Any], _: bool) -> Account:
    return Account.from_json(body)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _segment(text: object) -> str:
    return quote(str(text), safe=":")


def open_account(id: str, currency: str, credit_limit: int) -> Call[Account]:
    body = {"id": id, "currency": currency, "credit_limit": credit_limit}
    return Call("POST", "/v1/accounts", _account, body)


def account(id: str) -> Call[Account]:
    return Call("GET", f"/v1/accounts/{_segment(id)}", _account)


def accounts_page(
    prefix: str | None,
    currency: str | None,
    closed: bool | None,
    limit: int | None,
    cursor: str | None,
) -> Call[AccountsPage]:
    shown = None if closed is None else str(closed).lower()
    return Call(
        "GET",
        "/v1/accounts",
        lambda body, _: AccountsPage.from_json(body),
        params=_present(
            prefix=prefix, currency=currency, closed=shown, limit=limit, cursor=cursor
        ),
    )


_By = tuple[str | None, str | None]
"""Who decides something about an account, and why."""


def change_limit(id: str, credit_limit: int, expected: int | None, by: _By) -> Call[Account]:
    body = _present(credit_limit=credit_limit, expected_credit_limit=expected, **_by(by))
    return Call("PATCH", f"/v1/accounts/{_segment(id)}", _account, body, repeatable=False)


def _by(by: _By) -> dict[str, Any]:
    who, why = by
    return {"who": who, "why": why}


def change_freeze(id: str, frozen: str, expected: str | None, by: _By) -> Call[Account]:
    body = _present(frozen=frozen, expected_frozen=expected, **_by(by))
    return Call("PATCH", f"/v1/accounts/{_segment(id)}", _account, body, repeatable=False)


def close_account(id: str, expected_entry_count: int | None, by: _By) -> Call[Account]:
    body = _present(closed=True, expected_entry_count=expected_entry_count, **_by(by))
    return Call("PATCH", f"/v1/accounts/{_segment(id)}", _account, body, repeatable=False)


def limits_page(
    id: str, window: _Window, limit: int | None, cursor: str | None
) -> Call[LimitsPage]:
    return Call(
        "GET",
        f"/v1/accounts/{_segment(id)}/limits",
        lambda body, _: LimitsPage.from_json(body),
        params={**_window(window), **_present(limit=limit, cursor=cursor)},
    )


def balance(id: str, at: str | None, after: uuid.UUID | None) -> Call[Balance]:
    params = _present(at=at, after=None if after is None else str(after))
    return Call(
        "GET",
        f"/v1/accounts/{_segment(id)}/balance",
        lambda body, _: Balance.from_json(body),
        params=params,
    )


def balances_page(
    at: str | None,
    tz: str | None,
    prefix: str | None,
    currency: str | None,
    limit: int | None,
    cursor: str | None,
) -> Call[BalancesPage]:
    params = _present(at=at, tz=tz, prefix=prefix, currency=currency, limit=limit, cursor=cursor)
    return Call(
        "GET", "/v1/balances", lambda body, _: BalancesPage.from_json(body), params=params
    )


def statement_page(
    id: str,
    limit: int | None,
    cursor: str | None,
    window: _Window,
) -> Call[StatementPage]:
    return Call(
        "GET",
        f"/v1/accounts/{_segment(id)}/statement",
        lambda body, _: StatementPage.from_json(body),
        params={**_window(window), **_present(limit=limit, cursor=cursor)},
    )


def _window(window: _Window) -> dict[str, Any]:
    from_, to, order = window
    given = _present(to=to, order=order)
    return given if from_ is None else {"from": from_, **given}


def transfer(
    debit_account_id: str,
    credit_account_id: str,
    amount: int,
    description: str,
    id: uuid.UUID | None,
    timeout_s: int | None,
    notes: commands.Notes,
) -> Call[Transfer]:
    return Call(
        "POST",
        "/v1/transfers",
        _transfer,
        _transfer_body(debit_account_id, credit_account_id, amount, description, id, timeout_s, notes),
    )


def _transfer_body(
    debit_account_id: str,
    credit_account_id: str,
    amount: int,
    description: str,
    id: uuid.UUID | None,
    timeout_s: int | None,
    notes: commands.Notes,
) -> dict[str, Any]:
    return _present(
        id=str(id or new_id()),
        debit_account_id=debit_account_id,
        credit_account_id=credit_account_id,
        amount=amount,
        description=description,
        timeout_s=timeout_s,
        **notes,
    )


def split_transfer(
    debit_account_id: str,
    splits: Iterable[commands.Split],
    description: str,
    id: uuid.UUID | None,
    timeout_s: int | None,
    notes: commands.Notes,
) -> Call[Batch]:
    body = _present(
        id=str(id or new_id()),
        debit_account_id=debit_account_id,
        splits=list(splits),
        description=description,
        timeout_s=timeout_s,
        **notes,
    )
    return Call("POST", "/v1/transfers", _batch, body)


def split_post(
    pending_id: uuid.UUID,
    amount: int,
    splits: Iterable[commands.Split],
    final: bool,
    id: uuid.UUID | None,
) -> Call[Batch]:
    body = _present(
        id=str(id or new_id()),
        amount=amount,
        splits=list(splits),
        final=None if final else False,
    )
    return Call("POST", f"/v1/transfers/{_segment(pending_id)}/post", _batch, body)


def _batch(answer: Any, replayed: bool) -> Batch:
    return Batch.from_json(answer, replayed=replayed)


def transfer_by_id(id: uuid.UUID) -> Call[Transfer]:
    return Call("GET", f"/v1/transfers/{_segment(id)}", _transfer)


def transfers_page(
    account: str | None,
    reference: str | None,
    kind: str | None,
    state: str | None,
    window: _Window,
    limit: int | None,
    cursor: str | None,
) -> Call[TransfersPage]:
    if account is None and reference is None:
        raise ValueError("transfers are listed of an account or a reference: give one, or both")
    asked = _present(account=account, reference=reference, kind=kind, state=state)
    return Call(
        "GET",
        "/v1/transfers",
        lambda body, _: TransfersPage.from_json(body),
        params={**asked, **_window(window), **_present(limit=limit, cursor=cursor)},
    )


def post(
    pending_id: uuid.UUID, amount: int | None, final: bool, id: uuid.UUID | None
) -> Call[Transfer]:
    body = _present(id=str(id or new_id()), amount=amount, final=None if final else False)
    return Call("POST", f"/v1/transfers/{_segment(pending_id)}/post", _transfer, body)


def void(pending_id: uuid.UUID, id: uuid.UUID | None) -> Call[Transfer]:
    body = {"id": str(id or new_id())}
    return Call("POST", f"/v1/transfers/{_segment(pending_id)}/void", _transfer, body)


def reverse(
    transfer_id: uuid.UUID,
    description: str,
    amount: int | None,
    id: uuid.UUID | None,
    notes: commands.Notes,
) -> Call[Transfer]:
    body = _present(id=str(id or new_id()), description=description, amount=amount, **notes)
    return Call("POST", f"/v1/transfers/{_segment(transfer_id)}/reverse", _transfer, body)


def batch(members: Iterable[commands.Command], atomic: bool, id: uuid.UUID | None) -> Call[Batch]:
    listed = list(members)
    if id is not None and not atomic:
        raise ValueError("only an atomic batch has an id: give `atomic=True`, or no id")
    body: dict[str, Any] = {"atomic": atomic, "commands": listed}
    if atomic:
        body["id"] = str(id or new_id())
    return Call(
        "POST",
        "/v1/batches",
        _batch,
        body,
        repeatable=atomic or all(commands.is_repeatable(command) for command in listed),
    )


def batch_by_id(id: uuid.UUID) -> Call[Batch]:
    return Call("GET", f"/v1/batches/{_segment(id)}", lambda body, _: Batch.from_json(body))


def operate(
    debit_account_id: str,
    credit_account_id: str,
    amount: int,
    description: str,
    id: uuid.UUID | None,
    timeout_s: int | None,
    notes: commands.Notes,
) -> Call[Operation]:
    return Call(
        "POST",
        "/v1/operations",
        lambda body, _: Operation.from_json(body),
        _transfer_body(debit_account_id, credit_account_id, amount, description, id, timeout_s, notes),
    )


def operation(id: uuid.UUID) -> Call[Operation]:
    return Call("GET", f"/v1/operations/{_segment(id)}", lambda body, _: Operation.from_json(body))


def pay(
    amount: int,
    currency: str,
    description: str,
    account_id: str | None,
    id: uuid.UUID | None,
    notes: commands.Notes,
) -> Call[Payment]:
    body = _present(
        id=str(id or new_id()),
        amount=amount,
        currency=currency,
        description=description,
        account_id=account_id,
        **notes,
    )
    return Call("POST", "/v1/payments", lambda body, _: Payment.from_json(body), body)


def payment(id: uuid.UUID) -> Call[Payment]:
    return Call("GET", f"/v1/payments/{_segment(id)}", lambda body, _: Payment.from_json(body))


def payments_page(
    state: str | None,
    processor: str | None,
    account: str | None,
    reference: str | None,
    older_than_s: int | None,
    window: _Window,
    limit: int | None,
    cursor: str | None,
) -> Call[PaymentsPage]:
    asked = _present(
        state=state,
        processor=processor,
        account=account,
        reference=reference,
        older_than_s=older_than_s,
    )
    return Call(
        "GET",
        "/v1/payments",
        lambda body, _: PaymentsPage.from_json(body),
        params={**asked, **_window(window), **_present(limit=limit, cursor=cursor)},
    )


def resolve(
    payment_id: uuid.UUID,
    resolution: str,
    attempt: int,
    who: str,
    why: str,
    requested_at: str | None,
) -> Call[Payment]:
    body = _present(
        resolution=resolution, attempt=attempt, who=who, why=why, requested_at=requested_at
    )
    path = f"/v1/payments/{_segment(payment_id)}/resolve"
    return Call(
        "POST", path, lambda answer, _: Payment.from_json(answer), body, repeatable=False
    )


WAIT_S = 20
"""How long a page of events that are followed waits for its first one."""


def events_page(
    after: str | None,
    types: Iterable[str] | None,
    account: str | None,
    limit: int | None,
    wait_s: int,
) -> Call[EventsPage]:
    listed = None if types is None else ",".join(types)
    return Call(
        "GET",
        "/v1/events",
        lambda body, _: EventsPage.from_json(body),
        params=_present(
            after=after, types=listed, account=account, limit=limit, wait_s=wait_s or None
        ),
        wait_s=wait_s,
    )


def webhooks() -> Call[tuple[Endpoint, ...]]:
    return Call(
        "GET",
        "/v1/webhooks",
        lambda body, _: tuple(Endpoint.from_json(found) for found in body["endpoints"]),
    )


def deliveries(name: str, state: str | None, limit: int | None) -> Call[tuple[Delivery, ...]]:
    return Call(
        "GET",
        f"/v1/webhooks/{_segment(name)}/deliveries",
        lambda body, _: tuple(Delivery.from_json(found) for found in body["deliveries"]),
        params=_present(state=state, limit=limit),
    )


def replay_webhook(name: str, after: str) -> Call[Endpoint]:
    path = f"/v1/webhooks/{_segment(name)}/replay"
    return Call("POST", path, _endpoint, {"after": after}, repeatable=False)


def steer_webhook(name: str, act: str) -> Call[Endpoint]:
    return Call("POST", f"/v1/webhooks/{_segment(name)}/{act}", _endpoint)


def _endpoint(body: Mapping[str, Any], _: bool) -> Endpoint:
    return Endpoint.from_json(body)
