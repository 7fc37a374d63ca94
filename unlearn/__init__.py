"""Erase concepts from CLIP and measure the effect.

>>> from unlearn import classify, erase, load_clip
>>> clip = load_clip("pocket")                                # doctest: +SKIP
>>> edited = erase(clip, ["guitar"]).apply(clip)              # doctest: +SKIP
>>> classify(edited, image, ["guitar", "violin", "pizza"])    # doctest: +SKIP

Importing this package loads no model and no torch: names are resolved on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

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

#: Public names by the module that defines them.
_HOMES = {
    "unlearn.clip.encoders": ("EditedEncoder", "OpenClipEncoder", "TextImageEncoder"),
    "unlearn.clip.loading": ("load_clip",),
    "unlearn.data.gallery": ("bundled_gallery", "folder_gallery"),
    "unlearn.diffusion.pipelines": ("load_pipeline",),
    "unlearn.errors": ("UnlearnError",),
    "unlearn.evaluation.zero_shot": ("classify",),
    "unlearn.functions.auditing": ("Audit", "audit"),
    "unlearn.functions.erasing": ("erase", "load", "save"),
    "unlearn.functions.evaluating": ("Evaluation", "evaluate"),
    "unlearn.functions.generating": ("Generation", "generate"),
    "unlearn.functions.indexing": ("index_images", "search_images"),
    "unlearn.functions.recorded": ("RecordedErasure",),
    "unlearn.functions.reporting": ("write_report",),
}

__getattr__ = late.names(__name__, {name: f"{module}:{name}" for module, names in _HOMES.items() for name in names})


def __dir__() -> list[str]:
    return sorted(__all__)
