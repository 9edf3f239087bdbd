"""What the server answers, as frozen dataclasses.

Amounts are integers in the currency's minor unit. Times are RFC 3339 texts with nanoseconds, as
the server wrote them: a `datetime` holds microseconds only, and a cut time no longer finds the
transfer it belongs to. Members that a newer server adds are left out.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lastro.errors import Problem

M = TypeVar("M")


def read(model: type[M], body: Mapping[str, Any], **given: Any) -> M:
    """A model from the members of `body` that it knows; `given` come before those in `body`."""
    known = {found.name for found in dataclasses.fields(model)}  # type: ignore[arg-type]
    members = {name: value for name, value in body.items() if name in known}
    return model(**{**members, **given})


def _id(value: Any) -> uuid.UUID | None:
    return None if value is None else uuid.UUID(value)


@dataclass(frozen=True)
class Account:
    """An account and its totals."""

    id: str
    currency: str
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    balance: int
    """`credits_posted - debits_posted`."""
    entry_count: int
    closed: bool
    timestamp: str
    credit_limit: int | None = None
    """`None` for the system's own accounts, which have no limit."""
    available: int | None = None
    """What can still be debited; `None` for the system's own accounts."""
    frozen: str = "none"
    """Which new debits and credits are stopped: `none`, `debits`, `credits` or `both`."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Account:
        """Reads an answer of the server."""
        return read(cls, body)


@dataclass(frozen=True)
class After:
    """What a transfer left behind on one of its accounts."""

    entry_number: int
    balance_after: int


@dataclass(frozen=True)
class Transfer:
    """A transfer, a pending one, the post or void of one, or a reversal."""

    id: uuid.UUID
    kind: str
    """`transfer`, `pend`, `post`, `void`, `settle` or `reverse`."""
    debit_account_id: str
    credit_account_id: str
    amount: int
    description: str
    timestamp: str
    pending_id: uuid.UUID | None = None
    final: bool | None = None
    """`False` of a post that kept the rest reserved."""
    pending_state: str | None = None
    posted_amount: int | None = None
    """How much of a pending transfer was posted, by all its posts together."""
    expires_at: str | None = None
    ended_by: uuid.UUID | None = None
    ended_at: str | None = None
    payment_id: uuid.UUID | None = None
    reverses: uuid.UUID | None = None
    """Of a reversal: the transfer that it moved back."""
    reversed_amount: int | None = None
    """How much of it was moved back, where the transfer is read and can be reversed."""
    timeout_s: int | None = None
    debit: After | None = None
    credit: After | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    replayed: bool = False
    """Whether the server had this id before, and answered as it did then."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any], *, replayed: bool = False) -> Transfer:
        """Reads an answer of the server."""
        return read(
            cls,
            body,
            id=uuid.UUID(body["id"]),
            pending_id=_id(body.get("pending_id")),
            ended_by=_id(body.get("ended_by")),
            payment_id=_id(body.get("payment_id")),
            reverses=_id(body.get("reverses")),
            debit=_after(body.get("debit")),
            credit=_after(body.get("credit")),
            replayed=replayed,
        )


def _after(body: Mapping[str, Any] | None) -> After | None:
    return None if body is None else read(After, body)


@dataclass(frozen=True)
class TransfersPage:
    """Some transfers, newest first unless another order was asked for."""

    transfers: tuple[Transfer, ...]
    next_cursor: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> TransfersPage:
        """Reads an answer of the server."""
        return cls(
            transfers=tuple(Transfer.from_json(transfer) for transfer in body["transfers"]),
            next_cursor=body.get("next_cursor"),
        )


@dataclass(frozen=True)
class Entry:
    """One line of an account's statement."""

    transfer_id: uuid.UUID
    kind: str
    debit_account_id: str
    credit_account_id: str
    amount: int
    description: str
    timestamp: str
    number: int | None = None
    """The account's own 1, 2, 3 … without gaps; `None` for the system's own accounts."""
    balance_after: int | None = None
    """`None` for the system's own accounts."""
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    pending_id: uuid.UUID | None = None
    """Of a post: the pending transfer that it is of."""
    payment_id: uuid.UUID | None = None
    """Of a settlement: the payment."""
    reverses: uuid.UUID | None = None
    """Of a reversal: the transfer that it reversed."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Entry:
        """Reads an answer of the server."""
        ids = ("transfer_id", "pending_id", "payment_id", "reverses")
        return read(cls, body, **{id: uuid.UUID(body[id]) for id in ids if id in body})


@dataclass(frozen=True)
class Window:
    """A window of time of a statement: `opening_balance` and all its entries make its
    `closing_balance`. Windows of the system's own accounts have neither balances nor a count."""

    order: str
    from_: str | None
    to: str | None
    opening_balance: int | None = None
    closing_balance: int | None = None
    entries_count: int | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Window:
        """Reads an answer of the server."""
        return read(cls, body, from_=body.get("from"), to=body.get("to"))


@dataclass(frozen=True)
class StatementPage:
    """Some entries of an account, newest first unless another order was asked for."""

    account: Account
    entries: tuple[Entry, ...]
    next_cursor: str | None
    window: Window | None = None
    """Where a window or an order was asked for."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> StatementPage:
        """Reads an answer of the server."""
        return cls(
            account=Account.from_json(body["account"]),
            entries=tuple(Entry.from_json(entry) for entry in body["entries"]),
            next_cursor=body.get("next_cursor"),
            window=Window.from_json(body["window"]) if body.get("window") else None,
        )


@dataclass(frozen=True)
class AccountsPage:
    """Some accounts, in the byte order of their ids."""

    accounts: tuple[Account, ...]
    next_cursor: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AccountsPage:
        """Reads an answer of the server."""
        return cls(
            accounts=tuple(Account.from_json(account) for account in body["accounts"]),
            next_cursor=body.get("next_cursor"),
        )


@dataclass(frozen=True)
class Balance:
    """An account's balance as it was at a time."""

    account_id: str
    at: str
    balance: int
    entry_number: int | None = None
    """The newest entry then; 0 before the first, `None` for the system's own accounts."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Balance:
        """Reads an answer of the server."""
        return read(cls, body)


@dataclass(frozen=True)
class LimitChange:
    """A credit limit that an account was given."""

    credit_limit: int
    timestamp: str
    who: str | None = None
    """Who decided it; `None` where nobody said, and where the account was opened with it."""
    why: str | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> LimitChange:
        """Reads an answer of the server."""
        return read(cls, body)


@dataclass(frozen=True)
class LimitsPage:
    """Some of an account's credit limits, in the order of time."""

    limits: tuple[LimitChange, ...]
    next_cursor: str | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> LimitsPage:
        """Reads an answer of the server."""
        return read(cls, body, limits=tuple(map(LimitChange.from_json, body["limits"])))


@dataclass(frozen=True)
class AccountBalance:
    """What an account held at the moment of a trial balance."""

    account_id: str
    currency: str
    balance: int
    entry_number: int | None = None
    """The newest entry then; 0 before the first, `None` for the system's own accounts."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AccountBalance:
        """Reads an answer of the server."""
        return read(cls, body)


@dataclass(frozen=True)
class CurrencyTotal:
    """What the balances of a currency sum to: `balance` is 0 over all of its accounts."""

    currency: str
    debit_balances: int
    credit_balances: int
    balance: int

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CurrencyTotal:
        """Reads an answer of the server."""
        return read(cls, body)


@dataclass(frozen=True)
class BalancesPage:
    """Some balances of one moment, in the byte order of the accounts' ids."""

    at: str
    balances: tuple[AccountBalance, ...]
    next_cursor: str | None = None
    totals: tuple[CurrencyTotal, ...] | None = None
    """On the last page: the sums over all pages, of at most 20 currencies."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> BalancesPage:
        """Reads an answer of the server."""
        totals = body.get("totals")
        return read(
            cls,
            body,
            balances=tuple(map(AccountBalance.from_json, body["balances"])),
            totals=None if totals is None else tuple(map(CurrencyTotal.from_json, totals)),
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one member of a batch."""

    status: int
    """The HTTP status that the command alone would have got."""
    code: str
    replayed: bool
    transfer: Transfer | None = None
    account: Account | None = None
    problem: Problem | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Outcome:
        """Reads an answer of the server."""
        transfer, account, problem = (body.get(name) for name in ("transfer", "account", "problem"))
        replayed = bool(body["replayed"])
        return cls(
            status=body["status"],
            code=body["code"],
            replayed=replayed,
            transfer=None if transfer is None else Transfer.from_json(transfer, replayed=replayed),
            account=None if account is None else Account.from_json(account),
            problem=None if problem is None else problem_from_json(problem),
        )


@dataclass(frozen=True)
class Batch:
    """The outcomes of a batch, in the order of its commands."""

    atomic: bool
    outcomes: tuple[Outcome, ...]
    id: uuid.UUID | None = None
    replayed: bool = False
    index: int | None = None
    """Of a batch that was read by its id and of which nothing was applied: which command failed it."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any], *, replayed: bool = False) -> Batch:
        """Reads an answer of the server."""
        return cls(
            atomic=body["atomic"],
            outcomes=tuple(Outcome.from_json(outcome) for outcome in body["outcomes"]),
            id=_id(body.get("id")),
            replayed=replayed,
            index=body.get("index"),
        )


@dataclass(frozen=True)
class Operation:
    """A transfer that was accepted and is applied later."""

    id: uuid.UUID
    state: str
    """`queued`, `applied` or `refused`."""
    code: str | None = None
    transfer: Transfer | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Operation:
        """Reads an answer of the server."""
        transfer = body.get("transfer")
        return read(
            cls,
            body,
            id=uuid.UUID(body["id"]),
            transfer=None if transfer is None else Transfer.from_json(transfer),
        )


@dataclass(frozen=True)
class Payment:
    """A payment to an external processor."""

    id: uuid.UUID
    amount: int
    currency: str
    state: str
    """`accepted`, `sent`, `settled` or `refused`."""
    attempt: int
    accepted_at: str
    timestamp: str
    account_id: str | None = None
    processor: str | None = None
    requested_at: str | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Payment:
        """Reads an answer of the server."""
        return read(cls, body, id=uuid.UUID(body["id"]))


@dataclass(frozen=True)
class PaymentsPage:
    """Some payments, in the order that was asked for."""

    payments: tuple[Payment, ...]
    next_cursor: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> PaymentsPage:
        """Reads an answer of the server."""
        return cls(
            payments=tuple(Payment.from_json(payment) for payment in body["payments"]),
            next_cursor=body.get("next_cursor"),
        )


@dataclass(frozen=True)
class Event:
    """Something that the ledger decided. Which members it has depends on its type."""

    position: str
    """Where to go on behind it: opaque, and valid for ever."""
    type: str
    """Such as `transfer.posted`; a newer server has more."""
    timestamp: str
    account: Account | None = None
    transfer: Transfer | None = None
    payment: Payment | None = None
    members: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Everything else, such as `refused`, `batch`, `resolution` and `payments_count`."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Event:
        """Reads an answer of the server."""
        named = {"position", "type", "timestamp", "account", "transfer", "payment"}
        account, transfer, payment = (body.get(name) for name in ("account", "transfer", "payment"))
        return cls(
            position=body["position"],
            type=body["type"],
            timestamp=body["timestamp"],
            account=None if account is None else Account.from_json(account),
            transfer=None if transfer is None else Transfer.from_json(transfer),
            payment=None if payment is None else Payment.from_json(payment),
            members={name: value for name, value in body.items() if name not in named},
        )


@dataclass(frozen=True)
class EventsPage:
    """Some events, in the order in which they were decided."""

    events: tuple[Event, ...]
    next: str
    """The `after` of the next page, also where this one is empty."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> EventsPage:
        """Reads an answer of the server."""
        return cls(
            events=tuple(Event.from_json(event) for event in body["events"]), next=body["next"]
        )


@dataclass(frozen=True)
class Try:
    """A request to the receiver of a webhook."""

    at: str
    status: int | None = None
    """`None` where no complete answer came."""
    body: str | None = None
    failure: str | None = None
    webhook_id: str | None = None


def _try(body: Mapping[str, Any] | None) -> Try | None:
    return None if body is None else read(Try, body)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of webhooks as it stands."""

    name: str
    url: str
    state: str
    """`active`, `failing`, `disabled`, `stopped` or `standby`."""
    waiting_count: int
    requests_count: int
    dead_letters_count: int
    delivered_count: int
    lag_ms: int
    reason: str | None = None
    position: str | None = None
    oldest_waiting_at: str | None = None
    next_try_at: str | None = None
    last_try: Try | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Endpoint:
        """Reads an answer of the server."""
        return read(cls, body, last_try=_try(body.get("last_try")))


@dataclass(frozen=True)
class Delivery:
    """An event on its way to an endpoint."""

    webhook_id: str
    """The event's position."""
    event_type: str
    event_timestamp: str
    state: str
    """`waiting`, `delivered` or `dead`."""
    tries_count: int
    first_try_at: str | None = None
    next_try_at: str | None = None
    last_try: Try | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Delivery:
        """Reads an answer of the server."""
        return read(cls, body, last_try=_try(body.get("last_try")))


def problem_from_json(body: Mapping[str, Any]) -> Problem:
    """Reads a problem body (RFC 9457)."""
    named = {"type", "title", "status", "code", "detail"}
    return Problem(
        status=int(body["status"]),
        code=str(body["code"]),
        detail=str(body["detail"]),
        members={name: value for name, value in body.items() if name not in named},
    )
