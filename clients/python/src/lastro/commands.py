"""Members of a batch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from lastro._ids import new_id

Command = dict[str, Any]
"""A member of a batch, as the server reads it."""

Notes = dict[str, Any]
"""A transfer's `reference` and `metadata`, as far as there are any."""


def notes(reference: str | None, metadata: Mapping[str, str] | None) -> Notes:
    """The members of a body that say what a transfer is for."""
    return _without_none(
        reference=reference, metadata=None if metadata is None else dict(metadata)
    )


Split = dict[str, Any]
"""One account of a split, and its share, as the server reads it."""


def split(credit_account_id: str, amount: int, description: str | None = None) -> Split:
    """One account of a split and its share, in minor units; with a text of its own, if it has one."""
    return _without_none(
        credit_account_id=credit_account_id, amount=amount, description=description
    )


def transfer(
    debit_account_id: str,
    credit_account_id: str,
    amount: int,
    description: str,
    *,
    id: uuid.UUID | None = None,
    timeout_s: int | None = None,
    reference: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Command:
    """A transfer; a pending one with `timeout_s`. Without an id it gets a new one."""
    return _without_none(
        kind="transfer",
        id=str(id or new_id()),
        debit_account_id=debit_account_id,
        credit_account_id=credit_account_id,
        amount=amount,
        description=description,
        timeout_s=timeout_s,
        **notes(reference, metadata),
    )


def post(
    pending_id: uuid.UUID,
    *,
    amount: int | None = None,
    final: bool = True,
    id: uuid.UUID | None = None,
) -> Command:
    """The post of a pending transfer: of all that is still reserved without an amount. With
    `final=False` the rest stays reserved."""
    return _without_none(
        kind="post",
        id=str(id or new_id()),
        pending_id=str(pending_id),
        amount=amount,
        final=None if final else False,
    )


def void(pending_id: uuid.UUID, *, id: uuid.UUID | None = None) -> Command:
    """The release of everything that a pending transfer reserves."""
    return {"kind": "void", "id": str(id or new_id()), "pending_id": str(pending_id)}


def reverse(
    transfer_id: uuid.UUID,
    description: str,
    *,
    amount: int | None = None,
    id: uuid.UUID | None = None,
    reference: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Command:
    """A reversal of a transfer, of all that is left of it without an amount."""
    return _without_none(
        kind="reverse",
        id=str(id or new_id()),
        reverses=str(transfer_id),
        description=description,
        amount=amount,
        **notes(reference, metadata),
    )


def open_account(account_id: str, currency: str, *, credit_limit: int = 0) -> Command:
    """The opening of an account."""
    return {
        "kind": "open_account",
        "account_id": account_id,
        "currency": currency,
        "credit_limit": credit_limit,
    }


def change_limit(
    account_id: str, credit_limit: int, *, expected_credit_limit: int | None = None
) -> Command:
    """Another credit limit; refused where the limit is not the expected one."""
    return _without_none(
        kind="change_limit",
        account_id=account_id,
        credit_limit=credit_limit,
        expected_credit_limit=expected_credit_limit,
    )


def change_freeze(
    account_id: str, frozen: str, *, expected_frozen: str | None = None
) -> Command:
    """What of an account is frozen from now on: `none`, `debits`, `credits` or `both`; refused where
    something else is frozen than expected."""
    return _without_none(
        kind="change_freeze",
        account_id=account_id,
        frozen=frozen,
        expected_frozen=expected_frozen,
    )


def close_account(account_id: str, *, expected_entry_count: int | None = None) -> Command:
    """The closing of an account; refused where it does not have the expected number of entries."""
    return _without_none(
        kind="close_account", account_id=account_id, expected_entry_count=expected_entry_count
    )


def is_repeatable(command: Command) -> bool:
    """Whether the command can be sent twice and happens once."""
    return command.get("kind") in ("transfer", "post", "void", "reverse", "open_account")


def _without_none(**members: Any) -> Command:
    return {name: value for name, value in members.items() if value is not None}
