"""Everything a visitor can do, without gradio.

The page appears before torch is imported: it imports ``unlearn.app`` and uses ``app.exports``, ``app.audits`` …, and
each of these modules is loaded at its first use (PEP 562). Nothing else in ``unlearn/ui`` imports inside functions.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unlearn.app import (
        audits,
        comparisons,
        drawings,
        exports,
        fine_tuning,
        imports,
        links,
        model_choice,
        requests,
        searches,
        services,
        sources,
        trade_offs,
    )

__all__ = [
    "audits",
    "comparisons",
    "drawings",
    "exports",
    "fine_tuning",
    "imports",
    "links",
    "model_choice",
    "requests",
    "searches",
    "services",
    "sources",
    "trade_offs",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
