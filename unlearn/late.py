"""Imports at first use, so that ``--help``, the page and a run load only what they need.

Nothing else in the package imports inside a function. Libraries that take long to import, and that not every run needs,
are attributes of this module: ``late.diffusers`` imports diffusers. Packages offer names in the same way with
:func:`names`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import concept_erasure
    import datasets
    import diffusers
    import open_clip
    import peft
    import torch
    from plotly import graph_objects
    from pyarrow import parquet
    from sklearn import linear_model

__all__ = [
    "concept_erasure", "datasets", "diffusers", "graph_objects", "linear_model", "open_clip", "parquet", "peft",
    "torch",
]  # fmt: skip
#: Homes of the names that are not top-level modules.
HOMES = {
    "graph_objects": "plotly.graph_objects",
    "linear_model": "sklearn.linear_model",
    "parquet": "pyarrow.parquet",
}


def imported(home: str) -> Any:
    """Import and return what is at ``home``, given as ``package.module`` or ``package.module:attribute``."""
    return resolve_name(home)


def names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of ``package``, which imports each name of ``homes`` at its first use (PEP 562).

    Args:
        homes: where each name is, as :func:`imported` takes it.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return imported(homes[name])

    return load


__getattr__ = names(__name__, {name: HOMES.get(name, name) for name in __all__})
