"""Ids of transfers, batches and payments."""

from __future__ import annotations

import os
import time
import uuid


def new_id() -> uuid.UUID:
    """A new UUID of version 7 (RFC 9562): ids that grow with time cost the ledger least."""
    millis = time.time_ns() // 1_000_000
    drawn = int.from_bytes(os.urandom(10), "big")
    value = (millis & (1 << 48) - 1) << 80
    value |= 0x7 << 76
    value |= (drawn >> 64 & 0xFFF) << 64
    value |= 0b10 << 62
    value |= drawn & (1 << 62) - 1
    return uuid.UUID(int=value)
