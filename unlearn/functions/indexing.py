"""Encode a folder tree of images once, and search it under any erasure by CCUP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.prompts import TEMPLATES
from unlearn.data.folders import skipped_in_words
from unlearn.errors import require_whole
from unlearn.files.writing import require_folder
from unlearn.functions.arguments import OnProgress
from unlearn.functions.erasing import load
from unlearn.functions.recorded import RecordedErasure
from unlearn.index.build import build_index
from unlearn.index.search import ImageIndex
from unlearn.progress import run_to_end


@dataclass(frozen=True)
class IndexSummary:
    """Summary of an index.

    Attributes:
        folder: the folder of the index.
        images: number of encoded images.
        skipped: number of files that could not be read.
        notices: the same in sentences.
    """

    folder: Path
    images: int
    skipped: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexHit:
    """An image that was found, and its cosine with the query."""

    path: str
    score: float


def index_images(
    folder: str | Path, out: str | Path, clip: OpenClipEncoder, *, on_progress: OnProgress | None = None
) -> IndexSummary:
    """Encode the images of a folder tree into an index on disk; an interrupted build is resumed.

    Args:
        folder: folder with images in it or in its subfolders.
        out: folder of the index.
        clip: the model, unedited.
        on_progress: called with each :class:`unlearn.progress.Progress`, which has ``done``, ``total`` and ``text``.

    Raises:
        ImageError: ``folder`` holds no images, or ``out`` is not an index.
        ModelError: ``out`` is an index of other images or for other weights.
        ParameterError: ``out`` cannot be written to.
    """
    require_folder(Path(out))
    store = run_to_end(build_index(folder, out, clip), on_progress)
    return IndexSummary(Path(out), len(store), len(store.skipped), tuple(skipped_in_words(store.skipped)))


def search_images(
    index: str | Path,
    query: str,
    *,
    erasure: RecordedErasure | str | Path | None = None,
    clip: OpenClipEncoder | None = None,
    k: int = 10,
    device: str | None = None,
) -> list[IndexHit]:
    """Find images of an index for a text, with the model or an erasure of it; no image is encoded again.

    Args:
        index: folder that :func:`index_images` wrote.
        query: what to look for.
        erasure: an erasure of the same model by CCUP, or the path that it was saved to.
        clip: the model that made the index; by default it is loaded.
        k: number of images to find.
        device: device of a model that is loaded; the best one by default.

    Raises:
        ImageError: there is no such index, or it is damaged.
        ModelError: the index is another model's, or ``erasure`` changes weights.
        ParameterError: ``k`` is outside its allowed range.
    """
    require_whole("k", k, largest=10_000)
    opened = ImageIndex.open(index)
    base = load_clip(opened.store.header.model, device=device) if clip is None else clip
    if isinstance(erasure, str | Path):
        erasure = load(erasure, base)
    encoder = base if erasure is None else erasure.apply(base)
    hits = opened.find(encoder, query, TEMPLATES, k)
    return [IndexHit(str(opened.store.location(hit.index)), hit.score) for hit in hits]
