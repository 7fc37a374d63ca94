"""Where the pairs come from: the bundled gallery, a folder, or a public data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unlearn.concepts import Concept, Vocabulary, load_vocabulary
from unlearn.finetuning.pairs import hold_out
from unlearn.gallery import Gallery, bundled_gallery, folder_gallery
from unlearn.hub import cifar100, flickr30k

BUNDLED = "bundled"


@dataclass(frozen=True)
class TrainingData:
    """Pictures to train on, others to measure on, and the labels that are offered there."""

    train: Gallery
    test: Gallery
    vocabulary: Vocabulary


def training_data(source: str, forget: Sequence[str]) -> TrainingData:
    """The pictures called ``source``: ``bundled``, ``cifar100``, ``flickr30k`` or an ImageFolder's path.

    Of a folder every fifth picture of a class is kept for measuring. ``forget`` tells which of Flickr30k's pictures
    count as pictures of a concept: those whose captions name it.

    Raises:
        PictureError: there is no such folder, or the data set cannot be had.
    """
    if source == BUNDLED:
        gallery = bundled_gallery()
        return TrainingData(gallery.train, gallery.test, load_vocabulary())
    if source == "cifar100":
        test = cifar100("test")
        return TrainingData(cifar100("train"), test, _classes_of(test))
    if source == "flickr30k":
        train, test = flickr30k(forget, "train"), flickr30k(forget, "test")
        return TrainingData(train, test, _classes_of(train, test))
    gallery = hold_out(folder_gallery(source))
    return TrainingData(gallery.train, gallery.test, _classes_of(gallery))


def _classes_of(*galleries: Gallery) -> Vocabulary:
    """The concepts of ``galleries``, with the synonyms that the bundled vocabulary knows for them."""
    known = load_vocabulary()
    names = dict.fromkeys(name for gallery in galleries for name in gallery.concepts)
    found = ((name, known.find(name)) for name in names)
    return Vocabulary(tuple(replace(concept, name=name) if concept else Concept(name) for name, concept in found))
