"""Erase concepts from CLIP and see what happens.

>>> from unlearn import ccup, classify, load_clip
>>> clip = load_clip("pocket")                                # doctest: +SKIP
>>> edited = ccup(clip, forget=["cat"])                       # doctest: +SKIP
>>> classify(edited, picture, ["cat", "dog", "pizza"])        # doctest: +SKIP

Importing this package loads no model and no torch: names are resolved when they are used (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
    from unlearn.clip.loading import load_clip
    from unlearn.data.gallery import bundled_gallery, folder_gallery
    from unlearn.erasers.ccup import ccup
    from unlearn.errors import UnlearnError
    from unlearn.evaluation.zero_shot import classify

__version__ = "0.1.0"

__all__ = [
    "EditedEncoder",
    "OpenClipEncoder",
    "TextImageEncoder",
    "UnlearnError",
    "bundled_gallery",
    "ccup",
    "classify",
    "folder_gallery",
    "load_clip",
]

_HOMES = {
    "EditedEncoder": "unlearn.clip.encoders",
    "OpenClipEncoder": "unlearn.clip.encoders",
    "TextImageEncoder": "unlearn.clip.encoders",
    "UnlearnError": "unlearn.errors",
    "bundled_gallery": "unlearn.data.gallery",
    "ccup": "unlearn.erasers.ccup",
    "classify": "unlearn.evaluation.zero_shot",
    "folder_gallery": "unlearn.data.gallery",
    "load_clip": "unlearn.clip.loading",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
