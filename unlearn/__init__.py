"""Erase concepts from CLIP and measure the effect.

>>> from unlearn import classify, erase, load_clip
>>> clip = load_clip("pocket")                                # doctest: +SKIP
>>> edited = erase(clip, ["guitar"]).apply(clip)              # doctest: +SKIP
>>> classify(edited, image, ["guitar", "violin", "pizza"])    # doctest: +SKIP

Importing this package loads no model and no torch: names are resolved on first use (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
    from unlearn.clip.loading import load_clip
    from unlearn.data.gallery import bundled_gallery, folder_gallery
    from unlearn.diffusion.pipelines import load_pipeline
    from unlearn.errors import UnlearnError
    from unlearn.evaluation.zero_shot import classify
    from unlearn.functions.auditing import Audit, audit
    from unlearn.functions.erasing import erase, load, save
    from unlearn.functions.evaluating import Evaluation, evaluate
    from unlearn.functions.generating import Generation, generate
    from unlearn.functions.indexing import index_images, search_images
    from unlearn.functions.recorded import RecordedErasure
    from unlearn.functions.reporting import write_report

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "EditedEncoder",
    "Evaluation",
    "Generation",
    "OpenClipEncoder",
    "RecordedErasure",
    "TextImageEncoder",
    "UnlearnError",
    "audit",
    "bundled_gallery",
    "classify",
    "erase",
    "evaluate",
    "folder_gallery",
    "generate",
    "index_images",
    "load",
    "load_clip",
    "load_pipeline",
    "save",
    "search_images",
    "write_report",
]

_HOMES = {
    "Audit": "unlearn.functions.auditing",
    "EditedEncoder": "unlearn.clip.encoders",
    "Evaluation": "unlearn.functions.evaluating",
    "Generation": "unlearn.functions.generating",
    "OpenClipEncoder": "unlearn.clip.encoders",
    "RecordedErasure": "unlearn.functions.recorded",
    "TextImageEncoder": "unlearn.clip.encoders",
    "UnlearnError": "unlearn.errors",
    "audit": "unlearn.functions.auditing",
    "bundled_gallery": "unlearn.data.gallery",
    "classify": "unlearn.evaluation.zero_shot",
    "erase": "unlearn.functions.erasing",
    "evaluate": "unlearn.functions.evaluating",
    "folder_gallery": "unlearn.data.gallery",
    "generate": "unlearn.functions.generating",
    "index_images": "unlearn.functions.indexing",
    "load": "unlearn.functions.erasing",
    "load_clip": "unlearn.clip.loading",
    "load_pipeline": "unlearn.diffusion.pipelines",
    "save": "unlearn.functions.erasing",
    "search_images": "unlearn.functions.indexing",
    "write_report": "unlearn.functions.reporting",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
