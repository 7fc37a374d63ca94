"""Where the pairs come from: the bundled gallery, a folder, or a public data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.concepts.selection import VERBATIM, Concept, Vocabulary, load_vocabulary
from unlearn.data.gallery import Gallery, bundled_gallery, folder_gallery
from unlearn.data.public_datasets import DATASETS, Labelled, hub_gallery
from unlearn.finetuning.pairs import hold_out

BUNDLED = "bundled"


@dataclass(frozen=True)
class TrainingData:
    """Pictures to train on, others to measure on, the labels that are offered there, and what was noticed."""

    train: Gallery
    test: Gallery
    vocabulary: Vocabulary
    notices: tuple[str, ...] = ()


def training_data(source: str, forget: Sequence[str]) -> TrainingData:
    """Labelled pictures: ``bundled``, a name in :data:`unlearn.data.public_datasets.DATASETS` or an ImageFolder.

    Where there is no split for testing, as in a folder, every fifth picture of a class is kept for measuring.
    ``forget`` tells which captioned pictures count as pictures of a concept: those whose captions name it.

    Raises:
        PictureError: there is no such folder, or the data set cannot be had.
    """
    if source == BUNDLED:
        gallery = bundled_gallery()
        return TrainingData(gallery.train, gallery.test, load_vocabulary())
    if source in DATASETS and not _undivided(source):
        train, test = hub_gallery(source, "train", forget), hub_gallery(source, "test", forget)
        return TrainingData(train, test, labels_of(test, train))
    gallery = hold_out(hub_gallery(source, "train") if source in DATASETS else folder_gallery(source))
    return TrainingData(gallery.train, gallery.test, labels_of(gallery), gallery.notices)


def labels_of(*galleries: Gallery) -> Vocabulary:
    """What ``galleries`` show, as labels. A caption is a sentence already: without synonyms, and put into no other."""
    shown = dict.fromkeys(name for gallery in galleries for name in gallery.concepts)
    captions = {p.concept for gallery in galleries for p in gallery if p.concept == p.caption}
    words = Vocabulary.of(name for name in shown if name not in captions)
    if not captions:
        return words
    return Vocabulary((*words.concepts, *(Concept(name) for name in shown if name in captions)), VERBATIM)


def measuring_pictures(source: str, forget: Sequence[str] = ()) -> Gallery:
    """What :func:`training_data` measures on; of a folder, all there is.

    Raises:
        PictureError: as there.
    """
    if source == BUNDLED:
        return bundled_gallery().test
    if source not in DATASETS:
        return folder_gallery(source)
    return hold_out(hub_gallery(source, "train")).test if _undivided(source) else hub_gallery(source, "test", forget)


def _undivided(source: str) -> bool:
    known = DATASETS[source]
    return isinstance(known, Labelled) and known.test is None
