"""Sources of training data: the bundled gallery, a folder, or a public data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.concepts.prompts import VERBATIM, Concept
from unlearn.concepts.selection import Vocabulary, load_vocabulary
from unlearn.data.gallery import Gallery, bundled_gallery, folder_gallery
from unlearn.data.public_datasets import DATASETS, NAMED, hub_gallery, named_dataset
from unlearn.data.tables import is_table, table_gallery
from unlearn.finetuning.pairs import hold_out

BUNDLED = "bundled"


@dataclass(frozen=True)
class TrainingData:
    """Images to train on, images to measure on, the labels offered when measuring, and notices."""

    train: Gallery
    test: Gallery
    vocabulary: Vocabulary
    notices: tuple[str, ...] = ()


def training_data(source: str, forget: Sequence[str]) -> TrainingData:
    """Load labelled images: ``bundled``, a name in :data:`unlearn.data.public_datasets.DATASETS`, an ImageFolder, a
    table or WebDataset archives (:mod:`unlearn.data.tables`), or ``datasets:ORG/NAME``.

    If there is no test split, as in a folder, every fifth image of a class is held out for measuring. A captioned image
    counts as an image of a concept in ``forget`` if its caption names the concept.

    Raises:
        ImageError: there is no such folder, or the data set cannot be loaded.
    """
    if source == BUNDLED:
        gallery = bundled_gallery()
        return TrainingData(gallery.train, gallery.test, load_vocabulary())
    if source in DATASETS and not DATASETS[source].is_undivided:
        train, test = hub_gallery(source, "train", forget), hub_gallery(source, "test", forget)
        return TrainingData(train, test, labels_of(test, train))
    gallery = hold_out(hub_gallery(source, "train") if source in DATASETS else _own(source, forget))
    return TrainingData(gallery.train, gallery.test, labels_of(gallery), gallery.notices)


def labels_of(*galleries: Gallery) -> Vocabulary:
    """Return the concepts of ``galleries`` as labels. Captions, being sentences, get no synonyms and no templates."""
    shown = dict.fromkeys(name for gallery in galleries for name in gallery.concepts)
    captions = {p.concept for gallery in galleries for p in gallery if p.concept == p.caption}
    words = Vocabulary.of(name for name in shown if name not in captions)
    if not captions:
        return words
    return Vocabulary((*words.concepts, *(Concept(name) for name in shown if name in captions)), VERBATIM)


def measuring_images(source: str, forget: Sequence[str] = ()) -> Gallery:
    """Load the images that :func:`training_data` measures on; for a folder, all of its images.

    Raises:
        ImageError: there is no such folder, or the data set cannot be loaded.
    """
    if source == BUNDLED:
        return bundled_gallery().test
    if source not in DATASETS:
        return _own(source, forget)
    if DATASETS[source].is_undivided:
        return hold_out(hub_gallery(source, "train")).test
    return hub_gallery(source, "test", forget)


def _own(source: str, forget: Sequence[str]) -> Gallery:
    """Load the images of a source that has no split of its own."""
    if source.startswith(NAMED):
        return named_dataset(source, forget)
    return table_gallery(source, forget) if is_table(source) else folder_gallery(source)
