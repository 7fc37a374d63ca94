"""Public data sets through Hugging Face ``datasets``, for machines that can reach a hub: the CLIPErase paper's two."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from unlearn.concepts import clean_name
from unlearn.errors import PictureError
from unlearn.gallery import Gallery, Picture
from unlearn.pictures import open_picture

CIFAR100 = "uoft-cs/cifar100"
FLICKR30K = "lmms-lab/flickr30k"


def cifar100(split: str, *, per_class: int = 50) -> Gallery:
    """The first ``per_class`` pictures of each of CIFAR-100's classes; ``split`` is ``train`` or ``test``.

    Raises:
        PictureError: ``datasets`` is not installed, or the hub cannot be reached.
    """
    rows = _load(CIFAR100, split)
    names = [clean_name(name.replace("_", " ")) for name in rows.features["fine_label"].names]
    chosen: list[Picture] = []
    left = [per_class] * len(names)
    for i, label in enumerate(rows["fine_label"]):
        if left[label]:
            left[label] -= 1
            name = names[label]
            chosen.append(
                Picture(
                    name, f"a photo of a {name}", _loader(rows, i, "img"), split=split, style="photo", source=CIFAR100
                )
            )
    return Gallery("CIFAR-100", tuple(chosen))


def flickr30k(concepts: Sequence[str], split: str, *, at_most: int = 2000) -> Gallery:
    """Pictures of Flickr30k with their first caption, a thousand of them for testing and the others for training.

    A picture whose captions name one of ``concepts`` is a picture of it; any other is of what its caption says.

    Raises:
        PictureError: ``datasets`` is not installed, or the hub cannot be reached.
    """
    rows = _load(FLICKR30K, "test")  # the repository calls the whole set so
    wanted = range(1000) if split == "test" else range(1000, 1000 + at_most)
    words = {name: re.compile(rf"\b{re.escape(name)}s?\b", re.IGNORECASE) for name in concepts}
    chosen: list[Picture] = []
    for i in wanted[: max(0, len(rows) - wanted.start)]:
        captions = rows[i]["caption"]
        named = next((name for name, word in words.items() if any(word.search(text) for text in captions)), captions[0])
        chosen.append(
            Picture(named, captions[0], _loader(rows, i, "image"), split=split, style="photo", source=FLICKR30K)
        )
    return Gallery("Flickr30k", tuple(chosen))


def _load(path: str, split: str) -> Any:
    try:
        from datasets import load_dataset

        return load_dataset(path, split=split)
    # The hub, the network and the file formats raise whatever they like.
    except Exception as error:
        raise PictureError(
            f"The data set “{path}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). It needs "
            "`pip install datasets` and a hub; the bundled gallery needs neither."
        ) from error


def _loader(rows: Any, i: int, column: str) -> Callable[[], Image.Image]:
    return lambda: open_picture(rows[i][column])
