"""Everything a visitor can do, without gradio.

The page appears before torch is imported: it imports ``unlearn.app`` and uses ``app.exports``, ``app.audits`` …, and
each of these modules is loaded at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

if TYPE_CHECKING:
    from unlearn.app import (
        by_strength,
        examples,
        exports,
        following,
        imports,
        links,
        loading,
        model_choice,
        requests,
        searches,
        sources,
    )
    from unlearn.app.runs import audits, comparisons, drawings, fine_tuning, trade_offs

__all__ = [
    "audits",
    "by_strength",
    "comparisons",
    "drawings",
    "examples",
    "exports",
    "fine_tuning",
    "following",
    "imports",
    "links",
    "loading",
    "model_choice",
    "requests",
    "searches",
    "sources",
    "trade_offs",
]
#: Those in a package of their own.
_RUNS = ("audits", "comparisons", "drawings", "fine_tuning", "trade_offs")

__getattr__ = late.names(
    __name__, {name: f"{__name__}.runs.{name}" if name in _RUNS else f"{__name__}.{name}" for name in __all__}
)
