"""Vocabularies by name: the bundle's concepts, ImageNet-1k, CIFAR-100, or a list of one's own."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from unlearn.concepts.selection import Vocabulary, load_vocabulary, parse_names
from unlearn.errors import ConceptError

#: The fine labels of CIFAR-100 (Krizhevsky 2009), in the data set's order.
CIFAR100 = (
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple tree", "motorcycle", "mountain", "mouse", "mushroom", "oak tree", "orange", "orchid",
    "otter", "palm tree", "pear", "pickup truck", "pine tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow tree", "wolf",
    "woman", "worm",
)  # fmt: skip
#: A list of one's own: a word of it costs a few texts to encode.
MOST_WORDS = 2000
MOST_BYTES = 4_000_000


def named_vocabulary(text: str | Iterable[str]) -> Vocabulary:
    """The vocabulary called ``text``, one of :data:`VOCABULARIES`; anything else is the list of words itself.

    Raises:
        ConceptError: fewer than two words, too many, or one that cannot be used.
    """
    if isinstance(text, str) and text in VOCABULARIES:
        return VOCABULARIES[text]()
    names = parse_names(text, what="word", most=MOST_WORDS)
    if len(names) < 2:
        raise ConceptError(
            f"A vocabulary needs at least two words, one to erase and one to retain; write them with commas or on "
            f"lines, or choose one of {', '.join(VOCABULARIES)}."
        )
    return Vocabulary.of(names)


def vocabulary_argument(text: str) -> Vocabulary:
    """A vocabulary as a command line names it: one of :data:`VOCABULARIES`, words with commas between, or a file.

    Raises:
        ConceptError: it is none of them, or the words cannot be used.
    """
    if text in VOCABULARIES or "," in text:
        return named_vocabulary(text)
    if not Path(text).exists():
        raise ConceptError(
            f"The vocabulary “{text}” is neither a file nor one of {', '.join(VOCABULARIES)}; words of your own are "
            "written with commas between."
        )
    return named_vocabulary(read_list(Path(text)))


def read_list(path: Path) -> str:
    """The words of a file, in UTF-8 or with a byte-order mark in UTF-16; lines that begin with # are comments.

    Raises:
        ConceptError: it is no file, too long for a list of words, or not text in one of these encodings.
    """
    if not path.is_file():
        raise ConceptError(f"The list “{path}” is not a file.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConceptError(
                f"The list “{path}” is larger than {MOST_BYTES // 1_000_000} MB; that is no list of words."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConceptError(f"The list “{path}” cannot be read ({error.strerror or type(error).__name__}).") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConceptError(f"The list “{path}” is not text in UTF-8; save it as UTF-8, a word or phrase a line.")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def vocabulary_text(vocabulary: Vocabulary) -> str:
    """What :func:`named_vocabulary` reads as ``vocabulary``: its name, or its words with commas between."""
    known = (name for name, make in VOCABULARIES.items() if make() == vocabulary)
    return next(known, ",".join(f'"{name}"' if re.search("[,;]", name) else name for name in vocabulary.names))


@lru_cache(maxsize=1)
def _imagenet() -> Vocabulary:
    """open_clip's names of ImageNet's classes, each once, and its seven templates for them.

    Two of the names stand for two classes each.
    """
    from open_clip import IMAGENET_CLASSNAMES, SIMPLE_IMAGENET_TEMPLATES

    return Vocabulary.of(IMAGENET_CLASSNAMES, tuple(write("{}") for write in SIMPLE_IMAGENET_TEMPLATES))


@lru_cache(maxsize=1)
def _cifar100() -> Vocabulary:
    return Vocabulary.of(CIFAR100)


VOCABULARIES: dict[str, Callable[[], Vocabulary]] = {
    "bundled": load_vocabulary,
    "imagenet": _imagenet,
    "cifar100": _cifar100,
}
