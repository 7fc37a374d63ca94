"""Text-to-image search in the collection used for measurements, or in the app's index. No gradio here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from PIL import Image

from unlearn.app.results import FoundImage, Hits
from unlearn.app.services import HITS, Services
from unlearn.app.session import GALLERY_ALONE, MEASURED_ON, SEARCH_GALLERY, SEARCH_INDEX, Session
from unlearn.clip.encoders import TextImageEncoder
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.data.images import open_image
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.evaluation.as_json import retrieval_metrics
from unlearn.evaluation.retrieval import find_images as find_in_gallery
from unlearn.index.search import ImageIndex
from unlearn.index.store import Store

MAX_QUERY_LENGTH = 300
NOTHING_LEFT = "The edit leaves nothing of this text: no picture is closer to it than another."
#: Images of an index that are cached with their thumbnails, about 3 kB each.
REMEMBERED = 1024
#: Shortest side to decode them to: larger than a thumbnail, and much smaller than a photograph.
DECODED_SIDE = 224


def places(services: Services, session: Session) -> dict[str, str]:
    """Return the sources that the visitor can search, each with its label."""
    shown = GALLERY_ALONE if services.collection(session) is services.gallery else session.measured_on
    gallery = MEASURED_ON[shown]
    if services.index is None:
        return {SEARCH_GALLERY: gallery}
    store = services.index.store
    return {SEARCH_GALLERY: gallery, SEARCH_INDEX: f"{_legible(store.name)} ({len(store):,} pictures)"}


def find_images(services: Services, session: Session, query: str, source: str = SEARCH_GALLERY) -> dict[str, Hits]:
    """Find the images for a text, by variant.

    Args:
        query: any words.
        source: a key of :func:`places`.

    Raises:
        ConceptError: ``query`` is empty or too long.
        ParameterError: ``source`` does not exist.
    """
    text = " ".join(query.split())
    if not text:
        raise ConceptError("The query is empty; type what to look for, such as “a cat”.")
    if len(text) > MAX_QUERY_LENGTH:
        raise ConceptError(f"The query has {len(text):,} characters; at most {MAX_QUERY_LENGTH} are allowed.")
    require_choice("source", source, tuple(places(services, session)))
    variants, templates = services.variants(session), services.vocabulary_of(session).templates
    if source == SEARCH_INDEX and services.index:
        return {variant: _in_index(encoder, text, services.index, templates) for variant, encoder in variants.items()}
    collection = services.collection(session)
    return {variant: _in_gallery(encoder, text, collection, templates) for variant, encoder in variants.items()}


def recall(services: Services, session: Session) -> dict[str, dict[str, Any]]:
    """Return recall@k as JSON, by variant."""
    return {variant: retrieval_metrics(report) for variant, report in services.recall(session).items()}


def _in_gallery(encoder: TextImageEncoder, text: str, gallery: Gallery, templates: Sequence[str]) -> Hits:
    hits = find_in_gallery(encoder, text, gallery, templates, HITS)
    return _found(FoundImage(gallery.images[hit.index], hit.score) for hit in hits)


def _in_index(encoder: TextImageEncoder, text: str, index: ImageIndex, templates: Sequence[str]) -> Hits:
    try:
        hits = index.find(encoder, text, templates, HITS)
    except ModelError as error:
        return Hits(unanswered=str(error))
    return _found(FoundImage(_gallery_image(index.store, hit.index), hit.score) for hit in hits)


def _found(images: Iterable[FoundImage]) -> Hits:
    hits = tuple(images)
    return Hits(hits) if hits else Hits(unanswered=NOTHING_LEFT)


@lru_cache(maxsize=REMEMBERED)
def _gallery_image(store: Store, row: int) -> GalleryImage:
    """Return an image of an index. It has no label; only its path is known.

    Cached, so that each image's thumbnail is made once.
    """

    def load() -> Image.Image:
        return open_image(store.image(row), enough=DECODED_SIDE)

    return GalleryImage("", "", load, source=_legible(store.paths[row]))


def _legible(path: str) -> str:
    """Return ``path`` with undecodable bytes replaced: file names on disk may be bytes that a page cannot show."""
    return path.encode(errors="replace").decode()
