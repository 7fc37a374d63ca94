"""Public data sets of the papers, loaded with Hugging Face ``datasets`` on machines that can reach a hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from PIL import Image

from unlearn import late
from unlearn.concepts.selection import MAX_CAPTION_LENGTH, clean_name
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.data.images import open_image
from unlearn.data.tables import gallery_of, named_concept, patterns_of, rows_of
from unlearn.errors import ImageError

#: Number of images kept per class, and of the training part of a captioned data set.
PER_CLASS, CAPTIONED = 50, 2000
#: Longest side of a streamed image, which must be kept in memory: above the input size of any CLIP.
KEPT_SIDE = 512
#: Prefix of any other data set by its repository, and the number of its rows that are used.
NAMED, MOST_ROWS = "datasets:", 20_000
#: The first release of ``datasets`` that does not run scripts of data sets.
WITHOUT_SCRIPTS = 4


@dataclass(frozen=True)
class Labelled:
    """A data set with class labels: repository, columns, and the test split; None if there is none."""

    repository: str
    image: str = "image"
    label: str = "label"
    test: str | None = "test"

    @property
    def is_undivided(self) -> bool:
        """True if the data set has no images of its own to measure on."""
        return self.test is None

    def images(self, split: str, concepts: Sequence[str]) -> Iterator[GalleryImage]:
        """Yield the first ``PER_CLASS`` images of each class; ``concepts`` is not needed, as all images have labels."""
        rows = _load(self.repository, self.test or "train" if split == "test" else "train")
        names = [clean_name(name.replace("_", " ").replace("-", " ")) for name in rows.features[self.label].names]
        left = [PER_CLASS] * len(names)
        for i, label in enumerate(rows[self.label]):
            if left[label]:
                left[label] -= 1
                name, load = names[label], _loader(rows, i, self.image)
                yield GalleryImage(name, f"a photo of a {name}", load, split, "photo", source=self.repository)


@dataclass(frozen=True)
class Captioned:
    """A captioned data set with one split: its first thousand images are the test part, the next the training part."""

    repository: str
    split: str
    image: str
    caption: str
    streamed: bool = False
    is_undivided: ClassVar[bool] = False

    def images(self, split: str, concepts: Sequence[str]) -> Iterator[GalleryImage]:
        """Yield the images of a part with their captions, and the one of ``concepts`` that these name."""
        rows = _load(self.repository, self.split, streaming=self.streamed)
        words = patterns_of(concepts)
        wanted = (0, 1000) if split == "test" else (1000, 1000 + CAPTIONED)
        for i, row in enumerate(islice(rows, *wanted), wanted[0]):
            given = row[self.caption]
            captions = [text[:MAX_CAPTION_LENGTH] for text in ([given] if isinstance(given, str) else given)]
            if not captions[0].strip():
                continue  # no caption
            named = named_concept(captions, words)
            load = _kept(row[self.image]) if self.streamed else _loader(rows, i, self.image)
            yield GalleryImage(named, captions[0], load, split, "photo", source=self.repository)


DATASETS: dict[str, Labelled | Captioned] = {
    "cifar100": Labelled("uoft-cs/cifar100", "img", "fine_label"),
    "caltech101": Labelled("flwrlabs/caltech101", test=None),
    "oxford_flowers102": Labelled("Donghyun99/Oxford-Flower-102"),
    "oxford_pets": Labelled("timm/oxford-iiit-pet"),
    "stanford_cars": Labelled("tanganke/stanford_cars"),
    "stanford_dogs": Labelled("Donghyun99/Stanford-Dogs"),
    "flickr30k": Captioned("lmms-lab/flickr30k", "test", "image", "caption"),
    "cc12m": Captioned("pixparse/cc12m-wds", "train", "jpg", "txt", streamed=True),
}


def hub_gallery(name: str, split: str, concepts: Sequence[str] = ()) -> Gallery:
    """Load the images of the data set ``name``, one of :data:`DATASETS`; ``split`` is ``train`` or ``test``.

    Of each class the first ``PER_CLASS`` images are used; a data set without a test split gives all of them for
    ``train``. A captioned image whose captions name one of ``concepts`` gets that concept as its class; any other image
    gets its caption.

    Raises:
        ImageError: ``datasets`` is not installed, or the hub cannot be reached.
    """
    source = DATASETS[name]
    try:
        return Gallery(name, tuple(source.images(split, concepts)))
    # The hub, the network and the file formats can raise any error, even while streamed rows are read.
    except Exception as error:
        raise _not_loaded(source.repository, error) from error


def _not_loaded(repository: str, error: Exception) -> ImageError:
    return ImageError(
        f"The data set “{repository}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). It needs "
        "`pip install 'unlearn-clip[datasets]'` and a hub; the bundled gallery needs neither."
    )


def named_dataset(source: str, concepts: Sequence[str] = ()) -> Gallery:
    """Load the first rows of any data set: ``datasets:ORG/NAME``, or ``datasets:ORG/NAME:SPLIT`` if not ``train``.

    Raises:
        ImageError: as :func:`hub_gallery`; or it has no column of images, or none of labels or captions.
    """
    repository, _, split = source.removeprefix(NAMED).partition(":")
    try:
        rows = _load(repository, split or "train")
        records = [_with_names(rows, i) for i in range(min(len(rows), MOST_ROWS))]
    except Exception as error:
        raise _not_loaded(repository, error) from error
    return gallery_of(repository, list(rows_of(repository, rows.column_names, records, _kept)), concepts)


def _with_names(rows: Any, i: int) -> dict[str, Any]:
    """Return row ``i`` with the names of its classes in place of their numbers."""
    row: dict[str, Any] = dict(rows[i])
    for column, feature in rows.features.items():
        if (names := getattr(feature, "names", None)) and isinstance(row.get(column), int):
            row[column] = names[row[column]]
    return row


def _load(path: str, split: str, *, streaming: bool = False) -> Any:
    datasets = late.datasets
    # Earlier releases ran Python code of the data set.
    version = getattr(datasets, "__version__", f"{WITHOUT_SCRIPTS}")
    if int(version.split(".")[0]) < WITHOUT_SCRIPTS:
        raise ImportError(f"datasets {version} runs scripts of data sets, {WITHOUT_SCRIPTS} does not")
    return datasets.load_dataset(path, split=split, streaming=streaming)


def _loader(rows: Any, i: int, column: str) -> Callable[[], Image.Image]:
    return lambda: open_image(rows[i][column])


def _kept(image: Image.Image) -> Callable[[], Image.Image]:
    small = open_image(image)
    small.thumbnail((KEPT_SIDE, KEPT_SIDE))
    return lambda: small
