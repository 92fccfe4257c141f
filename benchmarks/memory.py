"""This process's memory, as the operating system counts it; standard library alone."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def start_peak() -> int:
    """Begins a new peak where the system allows it (Linux); returns the resident bytes it begins from."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _field("VmRSS") or peak()


def peak() -> int:
    """Largest resident memory in bytes.

    VmHWM where there is one: `ru_maxrss` of a process begins with what its parent held when it started it.
    """
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return _field("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit


def _field(name: str) -> int:
    if not _STATUS.exists():
        return 0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0
