"""CLIP models: loading, encoding, and the weights that an edit changes. The module for BLIP is loaded at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

if TYPE_CHECKING:
    from unlearn.clip import blip

__all__ = ["blip"]

__getattr__ = late.names(__name__, {"blip": f"{__name__}.blip"})
