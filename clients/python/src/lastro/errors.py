"""What a call may raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lastro._models import Batch


@dataclass(frozen=True)
class Problem:
    """What the server answered instead of success (RFC 9457)."""

    status: int
    """The HTTP status."""
    code: str
    """The stable name of what happened, such as `insufficient_funds`."""
    detail: str
    """A sentence for people."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Everything else in the body, such as the figures of a refusal."""

    @property
    def request_id(self) -> str | None:
        """The id under which the server's log has this request."""
        found = self.members.get("request_id")
        return found if isinstance(found, str) else None


class LastroError(Exception):
    """The root of every error of this library."""


class Refused(LastroError):
    """The server decided against the call. The same call again gets the same answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable name of the refusal."""
        return self.problem.code


class NotFound(Refused):
    """What the call names does not exist (404)."""


class Conflict(Refused):
    """The id was used before with other content, or a state was expected that is not so (409)."""


class Denied(Refused):
    """The key is missing or unknown (401), or it may not do this (403)."""


class BatchRefused(Refused):
    """An atomic batch was refused: nothing of it was applied."""

    def __init__(self, problem: Problem, index: int | None, batch: Batch) -> None:
        super().__init__(problem)
        self.index = index
        """Which member was the reason, counted from 0."""
        self.batch = batch
        """The outcome of every member."""


class Unavailable(LastroError):
    """There was no decision in the time that the retries have."""

    def __init__(self, message: str, problem: Problem | None, *, nothing_done: bool) -> None:
        super().__init__(message)
        self.problem = problem
        """The last answer, or `None` where no answer came."""
        self.nothing_done = nothing_done
        """True: no attempt changed anything. False: one may have; ask again with the same id."""
