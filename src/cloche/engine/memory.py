"""How much memory this host has, which decides what models it can load.  Read from /proc, so Linux alone tells it."""

from __future__ import annotations

import re
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def host_memory() -> tuple[int, int] | None:
    """Bytes there are, and bytes that programs could have now; None where the system does not tell."""
    try:
        told = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE))
        return int(told["MemTotal"]) * 1024, int(told["MemAvailable"]) * 1024
    except (OSError, KeyError):
        return None
