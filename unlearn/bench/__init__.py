"""The measurements for the README and docs/measured.md.

Each module of :data:`BENCHES`, loaded at first use, has a function ``run`` that returns a table, or a tuple of them.
"""

from __future__ import annotations

from unlearn import late

BENCHES = (
    "methods",
    "defaults",
    "labels",
    "attacks",
    "generation",
    "speed",
    "encode",
    "drawing",
    "index",
    "app",
    "load",
    "sessions",
    "faults",
)

__getattr__ = late.names(__name__, {name: f"{__name__}.{name}" for name in BENCHES})
