"""Vocabularies by name: the bundled concepts, ImageNet-1k, CIFAR-100, or your own list."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from unlearn import late
from unlearn.concepts.selection import Vocabulary, load_vocabulary, parse_names
from unlearn.errors import ConceptError

#: The fine labels of CIFAR-100 (Krizhevsky 2009), in the order of the data set.
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
#: Maximum number of words in your own list: each word takes a few texts to encode.
MOST_WORDS = 2000
MOST_BYTES = 4_000_000


def named_vocabulary(text: str | Iterable[str]) -> Vocabulary:
    """Return the vocabulary called ``text``, one of :data:`VOCABULARIES`; any other text is a list of words.

    Raises:
        ConceptError: there are fewer than two words or too many, or a word cannot be used.
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
    """Parse a command-line vocabulary: one of :data:`VOCABULARIES`, comma-separated words, or a file.

    Raises:
        ConceptError: the argument has none of these forms, or its words cannot be used.
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
    """Read the words of a file in UTF-8, or in UTF-16 with a byte-order mark; lines that begin with # are comments.

    Raises:
        ConceptError: the file does not exist, is too long for a list of words, or is not in one of these encodings.
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


def match_names(names: Iterable[str], classes: Vocabulary) -> tuple[tuple[str, ...], list[str]]:
    """Return ``names`` in the spelling of ``classes``, and a sentence for each that is not a class."""
    matched: dict[str, None] = {}
    notices = []
    for name in names:
        known = classes.find(name)
        matched[known.name if known else name] = None
        if known is None:
            asked = classes.unknown(name).did_you_mean
            notices.append(f"“{name}” is none of the classes, so no picture counts as it.{asked}")
    return tuple(matched), notices


def vocabulary_text(vocabulary: Vocabulary) -> str:
    """Return the text from which :func:`named_vocabulary` gets ``vocabulary``: its name, or comma-separated words."""
    known = (name for name, make in VOCABULARIES.items() if make() == vocabulary)
    return next(known, ",".join(f'"{name}"' if re.search("[,;]", name) else name for name in vocabulary.names))


@lru_cache(maxsize=1)
def _imagenet() -> Vocabulary:
    """Return open_clip's names of the ImageNet classes, each once, and its seven templates for them.

    Two of the names belong to two classes each.
    """
    library = late.open_clip
    return Vocabulary.of(library.IMAGENET_CLASSNAMES, tuple(write("{}") for write in library.SIMPLE_IMAGENET_TEMPLATES))


@lru_cache(maxsize=1)
def _cifar100() -> Vocabulary:
    return Vocabulary.of(CIFAR100)


VOCABULARIES: dict[str, Callable[[], Vocabulary]] = {
    "bundled": load_vocabulary,
    "imagenet": _imagenet,
    "cifar100": _cifar100,
}
