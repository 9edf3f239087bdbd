"""The time for one attempt."""

from __future__ import annotations

import httpx


def with_wait(given: httpx.Timeout, wait_s: int) -> httpx.Timeout:
    """The same, where the server may hold back its answer for so many seconds."""
    read = None if given.read is None else given.read + wait_s
    return httpx.Timeout(connect=given.connect, read=read, write=given.write, pool=given.pool)
