"""How long a call goes on asking."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """How long a call goes on asking, and how it waits in between."""

    within_s: float = 30.0
    """No attempt begins later than this many seconds after the first."""
    first_pause_s: float = 0.05
    """The longest first pause; it doubles with every attempt."""
    pause_max_s: float = 5.0
    """No pause of our own is longer. One that the server asks for (`Retry-After`) is kept whole."""

    def pause_s(self, attempt: int, asked_s: float | None) -> float:
        """The pause after so many attempts (from 1), drawn at random up to its bound, so that
        callers who failed together do not come back together."""
        bound = min(self.pause_max_s, self.first_pause_s * 2 ** min(attempt - 1, 20))
        own = random.uniform(bound / 2, bound)
        return own if asked_s is None else asked_s + own
