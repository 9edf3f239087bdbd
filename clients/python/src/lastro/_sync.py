"""The blocking client. `_async.py` has the same methods; a test holds the two together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

import httpx

from lastro import _calls, commands
from lastro._models import (
    Account,
    AccountBalance,
    AccountsPage,
    Balance,
    BalancesPage,
    Batch,
    Delivery,
    Endpoint,
    Entry,
    Event,
    EventsPage,
    LimitChange,
    LimitsPage,
    Operation,
    Payment,
    PaymentsPage,
    StatementPage,
    Transfer,
    TransfersPage,
)
from lastro._retry import Retry
from lastro._timeouts import with_wait

T = TypeVar("T")


class Lastro:
    """A ledger behind HTTP.

    One client serves any number of threads. Close it, or use it in `with`.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 10.0,
        retry: Retry | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """`url` is the server's, such as `http://127.0.0.1:9999`; `key` the secret that
        `lastro key create` printed. `timeout_s` bounds each attempt, `retry` all of them. Give
        `http` for certificates or a Unix socket (`httpx` has the options): its base URL, headers
        and timeout are then yours."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = http or httpx.Client(base_url=url, headers=headers, timeout=timeout_s)
        self._retry = retry or Retry()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Lastro:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: _calls.Call[T]) -> T:
        attempts = _calls.Attempts(call, self._retry, time.monotonic())
        while True:
            try:
                answer = self._http.request(
                    call.method,
                    call.path,
                    json=call.body,
                    params=call.params,
                    timeout=with_wait(self._http.timeout, call.wait_s),
                )
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                pause_s = attempts.failed(error, sent=False, now_s=time.monotonic())
            except httpx.TransportError as error:
                pause_s = attempts.failed(error, sent=True, now_s=time.monotonic())
            else:
                found = attempts.answered(
                    answer.status_code, answer.headers, answer.content, time.monotonic()
                )
                if not isinstance(found, _calls.Pause):
                    return found
                pause_s = found.seconds
            time.sleep(pause_s)

    def open_account(self, id: str, currency: str, *, credit_limit: int = 0) -> Account:
        """Opens an account. The same account again, with the same content, is answered the same."""
        return self._send(_calls.open_account(id, currency, credit_limit))

    def account(self, id: str) -> Account:
        """An account and its totals. Raises `NotFound`."""
        return self._send(_calls.account(id))

    def accounts_page(
        self,
        *,
        prefix: str | None = None,
        currency: str | None = None,
        closed: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AccountsPage:
        """One page of the accounts, in the byte order of their ids. It may be short, or empty, and
        still have a `next_cursor`; give the same filters with it."""
        return self._send(_calls.accounts_page(prefix, currency, closed, limit, cursor))

    def accounts(
        self,
        *,
        page: int = 100,
        prefix: str | None = None,
        currency: str | None = None,
        closed: bool | None = None,
    ) -> Iterator[Account]:
        """Every account, in the byte order of their ids; `page` of them a request."""
        cursor: str | None = None
        while True:
            found = self.accounts_page(
                prefix=prefix, currency=currency, closed=closed, limit=page, cursor=cursor
            )
            yield from found.accounts
            cursor = found.next_cursor
            if cursor is None:
                return

    def change_limit(
        self,
        id: str,
        credit_limit: int,
        *,
        expected_credit_limit: int | None = None,
        who: str | None = None,
        why: str | None = None,
    ) -> Account:
        """Sets an account's credit limit. Raises `Conflict` where it is not the expected one. `who`
        and `why` are kept with it: see `limits`.

        It has no id, so it is sent again only after an attempt that changed nothing."""
        return self._send(
            _calls.change_limit(id, credit_limit, expected_credit_limit, (who, why))
        )

    def change_freeze(
        self,
        id: str,
        frozen: str,
        *,
        expected_frozen: str | None = None,
        who: str | None = None,
        why: str | None = None,
    ) -> Account:
        """Stops new debits or credits of an account: `none`, `debits`, `credits` or `both`. Raises
        `Conflict` where something else is frozen than expected.

        It has no id, so it is sent again only after an attempt that changed nothing."""
        return self._send(_calls.change_freeze(id, frozen, expected_frozen, (who, why)))

    def close_account(
        self,
        id: str,
        *,
        expected_entry_count: int | None = None,
        who: str | None = None,
        why: str | None = None,
    ) -> Account:
        """Closes an account for new debits and credits; it must be empty.

        It has no id, so it is sent again only after an attempt that changed nothing."""
        return self._send(_calls.close_account(id, expected_entry_count, (who, why)))

    def limits_page(
        self,
        id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> LimitsPage:
        """One page of the credit limits that an account was given, newest first; `order="asc"` for
        the oldest first, which is the one that it was opened with."""
        return self._send(_calls.limits_page(id, (from_, to, order), limit, cursor))

    def limits(
        self,
        id: str,
        *,
        page: int = 100,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> Iterator[LimitChange]:
        """Every credit limit that an account was given, newest first; `page` of them a request."""
        cursor: str | None = None
        while True:
            found = self.limits_page(
                id, limit=page, cursor=cursor, from_=from_, to=to, order=order
            )
            yield from found.limits
            cursor = found.next_cursor
            if cursor is None:
                return

    def balance(self, id: str, *, at: str | None = None, after: uuid.UUID | None = None) -> Balance:
        """The balance as it was at a time (RFC 3339, with its nanoseconds), or right after a
        transfer. Give one of the two."""
        return self._send(_calls.balance(id, at, after))

    def balances_page(
        self,
        *,
        at: str | None = None,
        tz: str | None = None,
        prefix: str | None = None,
        currency: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> BalancesPage:
        """One page of a trial balance: what every account held at one moment. The last page has
        the sums by currency. `at` is a time (RFC 3339) or a date, which ends in the time zone `tz`;
        without it the moment is the newest. Give the same filters with the cursor."""
        return self._send(_calls.balances_page(at, tz, prefix, currency, limit, cursor))

    def balances(
        self,
        *,
        page: int = 100,
        at: str | None = None,
        tz: str | None = None,
        prefix: str | None = None,
        currency: str | None = None,
    ) -> Iterator[AccountBalance]:
        """What every account held at one moment; `page` of them a request."""
        cursor: str | None = None
        while True:
            found = self.balances_page(
                at=at, tz=tz, prefix=prefix, currency=currency, limit=page, cursor=cursor
            )
            for balance in found.balances:
                yield balance
            cursor = found.next_cursor
            if cursor is None:
                return

    def statement_page(
        self,
        id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> StatementPage:
        """One page of an account's entries, newest first; `order="asc"` for the oldest first.

        Entries are at or after `from_` and before `to` (RFC 3339). Give the same of them with the
        cursor."""
        return self._send(_calls.statement_page(id, limit, cursor, (from_, to, order)))

    def statement(
        self,
        id: str,
        *,
        page: int = 100,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> Iterator[Entry]:
        """Every entry of an account, newest first; `page` of them a request.

        `from_`, `to` and `order` as for `statement_page`."""
        cursor: str | None = None
        while True:
            found = self.statement_page(
                id, limit=page, cursor=cursor, from_=from_, to=to, order=order
            )
            yield from found.entries
            cursor = found.next_cursor
            if cursor is None:
                return

    def transfer(
        self,
        debit_account_id: str,
        credit_account_id: str,
        amount: int,
        description: str,
        *,
        id: uuid.UUID | None = None,
        timeout_s: int | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Transfer:
        """Moves an amount, in minor units. With `timeout_s` the money is only reserved (0: for
        good), until `post`, `void` or the end of that time. `reference` and `metadata` are yours:
        statements show them.

        Give the id where your process may end before it has the answer: the same call with the
        same id, later, happens once. Without one a new id is drawn, which holds for the retries of
        this call."""
        notes = commands.notes(reference, metadata)
        return self._send(
            _calls.transfer(
                debit_account_id, credit_account_id, amount, description, id, timeout_s, notes
            )
        )

    def split_transfer(
        self,
        debit_account_id: str,
        splits: Iterable[commands.Split],
        description: str,
        *,
        id: uuid.UUID | None = None,
        timeout_s: int | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Batch:
        """Moves shares to up to 100 accounts, made with `commands.split`: all of them, or none.
        Then `BatchRefused` is raised.

        It is an atomic batch under `id`, with a transfer for each share."""
        notes = commands.notes(reference, metadata)
        return self._send(
            _calls.split_transfer(debit_account_id, splits, description, id, timeout_s, notes)
        )

    def split_post(
        self,
        pending_id: uuid.UUID,
        amount: int,
        splits: Iterable[commands.Split],
        *,
        final: bool = True,
        id: uuid.UUID | None = None,
    ) -> Batch:
        """Posts an amount of a pending transfer, and moves shares of it on from its credit account,
        which keeps the rest: all of this, or nothing. Then `BatchRefused` is raised.

        It is an atomic batch under `id`: the post, then a transfer for each share."""
        return self._send(_calls.split_post(pending_id, amount, splits, final, id))

    def transfer_by_id(self, id: uuid.UUID) -> Transfer:
        """A transfer. Raises `NotFound`."""
        return self._send(_calls.transfer_by_id(id))

    def transfers_page(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> TransfersPage:
        """One page of the transfers of an account, of a `reference` or of both, newest first;
        `order="asc"` for the oldest first. Give one of the two at least.

        `kind` is one that a `Transfer` has; `state` is that of pending transfers: `pending`,
        `posted`, `voided` or `expired`. Transfers are at or after `from_` and before `to`
        (RFC 3339). A page may be short, or empty, and still have a `next_cursor`; give the same
        filters with it."""
        window = (from_, to, order)
        return self._send(
            _calls.transfers_page(account, reference, kind, state, window, limit, cursor)
        )

    def transfers(
        self,
        *,
        page: int = 100,
        account: str | None = None,
        reference: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> Iterator[Transfer]:
        """Every transfer of an account, of a `reference` or of both, newest first; `page` of them
        a request.

        The filters and `order` are as for `transfers_page`."""
        cursor: str | None = None
        while True:
            found = self.transfers_page(
                account=account,
                reference=reference,
                kind=kind,
                state=state,
                from_=from_,
                to=to,
                order=order,
                limit=page,
                cursor=cursor,
            )
            yield from found.transfers
            cursor = found.next_cursor
            if cursor is None:
                return

    def post(
        self,
        pending_id: uuid.UUID,
        *,
        amount: int | None = None,
        final: bool = True,
        id: uuid.UUID | None = None,
    ) -> Transfer:
        """Posts a pending transfer: without an amount all that is still reserved. The rest is
        released, or with `final=False` stays reserved for further posts."""
        return self._send(_calls.post(pending_id, amount, final, id))

    def void(self, pending_id: uuid.UUID, *, id: uuid.UUID | None = None) -> Transfer:
        """Releases what a pending transfer reserves."""
        return self._send(_calls.void(pending_id, id))

    def reverse(
        self,
        transfer_id: uuid.UUID,
        description: str,
        *,
        amount: int | None = None,
        id: uuid.UUID | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Transfer:
        """Moves back what a transfer has moved: without an amount all that was not moved back before."""
        notes = commands.notes(reference, metadata)
        return self._send(_calls.reverse(transfer_id, description, amount, id, notes))

    def batch(
        self,
        members: Iterable[commands.Command],
        *,
        atomic: bool = False,
        id: uuid.UUID | None = None,
    ) -> Batch:
        """Gives up to 8,190 commands at once, made with `lastro.commands`.

        Each stands alone, and its outcome tells what became of it. With `atomic` all are applied,
        or none: then `BatchRefused` is raised."""
        return self._send(_calls.batch(members, atomic, id))

    def batch_by_id(self, id: uuid.UUID) -> Batch:
        """What was decided of an atomic batch. Raises `NotFound`."""
        return self._send(_calls.batch_by_id(id))

    def operate(
        self,
        debit_account_id: str,
        credit_account_id: str,
        amount: int,
        description: str,
        *,
        id: uuid.UUID | None = None,
        timeout_s: int | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Operation:
        """Gives a transfer that is accepted now and applied later, even if the ledger is down."""
        notes = commands.notes(reference, metadata)
        return self._send(
            _calls.operate(
                debit_account_id, credit_account_id, amount, description, id, timeout_s, notes
            )
        )

    def operation(self, id: uuid.UUID) -> Operation:
        """What became of an operation. Raises `NotFound`."""
        return self._send(_calls.operation(id))

    def pay(
        self,
        amount: int,
        currency: str,
        description: str,
        *,
        account_id: str | None = None,
        id: uuid.UUID | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Payment:
        """Accepts a payment, which is paid exactly once through a processor, or refused later.

        With `account_id` that account pays, and the amount is reserved at once. Raises `Refused` where
        it is not available."""
        notes = commands.notes(reference, metadata)
        return self._send(_calls.pay(amount, currency, description, account_id, id, notes))

    def payment(self, id: uuid.UUID) -> Payment:
        """A payment. Raises `NotFound`."""
        return self._send(_calls.payment(id))

    def payments_page(
        self,
        *,
        state: str | None = None,
        processor: str | None = None,
        account: str | None = None,
        reference: str | None = None,
        older_than_s: int | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PaymentsPage:
        """One page of the payments by when they were accepted: the newest first, but of
        `state="accepted"` and `state="sent"` the oldest first, unless `order` is `asc` or `desc`.

        `state` is `accepted`, `sent`, `settled` or `refused`; without it payments of all four. They
        were accepted at or after `from_` and before `to` (RFC 3339), and `older_than_s` seconds ago
        or earlier. A page (of 100 at most) may be short, or empty, and still have a `next_cursor`;
        give the same filters with it."""
        window = (from_, to, order)
        return self._send(
            _calls.payments_page(
                state, processor, account, reference, older_than_s, window, limit, cursor
            )
        )

    def payments(
        self,
        *,
        page: int = 100,
        state: str | None = None,
        processor: str | None = None,
        account: str | None = None,
        reference: str | None = None,
        older_than_s: int | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: str | None = None,
    ) -> Iterator[Payment]:
        """Every payment, by when they were accepted; `page` of them a request, 100 at most.

        The filters and `order` are as for `payments_page`."""
        cursor: str | None = None
        while True:
            found = self.payments_page(
                state=state,
                processor=processor,
                account=account,
                reference=reference,
                older_than_s=older_than_s,
                from_=from_,
                to=to,
                order=order,
                limit=page,
                cursor=cursor,
            )
            yield from found.payments
            cursor = found.next_cursor
            if cursor is None:
                return

    def resolve(
        self,
        payment_id: uuid.UUID,
        *,
        resolution: str,
        attempt: int,
        who: str,
        why: str,
        requested_at: str | None = None,
    ) -> Payment:
        """Decides about a payment that the server cannot end itself, as an operator.

        `resolution` is `settled`: the processor has it; `release`: it does not and never will, so
        the payment waits again; or `refuse`: the payment is given up. `attempt` is the one that you
        saw. Raises `Refused` where the payment has another one by now. `requested_at` is the time
        under which the processor counts it, where that differs from the time that was sent to it.

        It has no id, so it is sent again only after an attempt that changed nothing."""
        return self._send(
            _calls.resolve(payment_id, resolution, attempt, who, why, requested_at)
        )

    def events_page(
        self,
        *,
        after: str | None = None,
        types: Iterable[str] | None = None,
        account: str | None = None,
        limit: int | None = None,
        wait_s: int = 0,
    ) -> EventsPage:
        """One page of what the ledger decided, in its order. Without `after` it begins with the
        ledger's first event, with `after="latest"` at the end.

        With `wait_s` (at most 30) a page that would be empty waits for its first event. It may be
        empty although there are more events: go on with its `next`."""
        return self._send(_calls.events_page(after, types, account, limit, wait_s))

    def events(
        self,
        *,
        after: str | None = None,
        types: Iterable[str] | None = None,
        account: str | None = None,
    ) -> Iterator[Event]:
        """Everything that the ledger decides, from `after` on and without an end: waits for the
        next event.

        Keep an event's `position` after its work is done, and begin with it again as `after`: then
        every event is seen at least once, whatever is killed when."""
        wanted = None if types is None else tuple(types)
        while True:
            found = self.events_page(
                after=after, types=wanted, account=account, wait_s=_calls.WAIT_S
            )
            yield from found.events
            after = found.next

    def webhooks(self) -> tuple[Endpoint, ...]:
        """The endpoints of webhooks, in the order of their names."""
        return self._send(_calls.webhooks())

    def deliveries(
        self, name: str, *, state: str | None = None, limit: int | None = None
    ) -> tuple[Delivery, ...]:
        """The deliveries of an endpoint, those of the newest events first; with `state` only those
        that are `waiting`, `delivered` or `dead`. Raises `NotFound`."""
        return self._send(_calls.deliveries(name, state, limit))

    def replay_webhook(self, name: str, after: str) -> Endpoint:
        """Lets an endpoint begin again behind a position: an event's, or `beginning`.

        It has no id, so it is sent again only after an attempt that changed nothing."""
        return self._send(_calls.replay_webhook(name, after))

    def retry_webhook(self, name: str) -> Endpoint:
        """Sends an endpoint's dead letters again."""
        return self._send(_calls.steer_webhook(name, "retry"))

    def enable_webhook(self, name: str) -> Endpoint:
        """Lets an endpoint send again, at once."""
        return self._send(_calls.steer_webhook(name, "enable"))

    def disable_webhook(self, name: str) -> Endpoint:
        """Lets an endpoint send nothing more, also after a restart of the server."""
        return self._send(_calls.steer_webhook(name, "disable"))
