"""A constructor's arguments by name: what `get_config` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OTHERS = {"self", "kwargs", "__class__"}


def arguments(found: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments among `locals()`, called first thing in a constructor, without self and kwargs."""
    return {name: value for name, value in found.items() if name not in _OTHERS}
