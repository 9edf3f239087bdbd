"""Client of Lastro, a ledger and payments server.

`Lastro` blocks, `AsyncLastro` is for asyncio; both have the same methods. A call that may be sent
again is: the server knows an id that it has seen, so nothing happens twice.
"""

from lastro import commands
from lastro._async import AsyncLastro
from lastro._ids import new_id
from lastro._models import (
    Account,
    AccountBalance,
    AccountsPage,
    After,
    Balance,
    BalancesPage,
    Batch,
    CurrencyTotal,
    Delivery,
    Endpoint,
    Entry,
    Event,
    EventsPage,
    LimitChange,
    LimitsPage,
    Operation,
    Outcome,
    Payment,
    PaymentsPage,
    StatementPage,
    Transfer,
    TransfersPage,
    Try,
    Window,
)
from lastro._retry import Retry
from lastro._sync import Lastro
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

__all__ = [
    "Account",
    "AccountBalance",
    "AccountsPage",
    "After",
    "AsyncLastro",
    "Balance",
    "BalancesPage",
    "Batch",
    "BatchRefused",
    "Conflict",
    "CurrencyTotal",
    "Delivery",
    "Denied",
    "Endpoint",
    "Entry",
    "Event",
    "EventsPage",
    "Lastro",
    "LastroError",
    "LimitChange",
    "LimitsPage",
    "NotFound",
    "Operation",
    "Outcome",
    "Payment",
    "PaymentsPage",
    "Problem",
    "Refused",
    "Retry",
    "StatementPage",
    "Transfer",
    "TransfersPage",
    "Try",
    "Unavailable",
    "Window",
    "commands",
    "new_id",
]
