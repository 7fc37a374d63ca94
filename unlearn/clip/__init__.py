"""CLIP models: loading, encoding, and the weights that an edit changes. BLIP's network is loaded at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

if TYPE_CHECKING:
    from unlearn.clip import blip_towers

__all__ = ["blip_towers"]

__getattr__ = late.names(__name__, {"blip_towers": f"{__name__}.blip_towers"})
