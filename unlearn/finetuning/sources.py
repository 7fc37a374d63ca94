"""Where the pairs come from: the bundled gallery, a folder, or a public data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.concepts import Vocabulary, load_vocabulary
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
        return TrainingData(cifar100("train"), test, Vocabulary.of(test.concepts))
    if source == "flickr30k":
        train, test = flickr30k(forget, "train"), flickr30k(forget, "test")
        return TrainingData(train, test, Vocabulary.of((*train.concepts, *test.concepts)))
    gallery = hold_out(folder_gallery(source))
    return TrainingData(gallery.train, gallery.test, Vocabulary.of(gallery.concepts))
