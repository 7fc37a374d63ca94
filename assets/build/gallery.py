"""Write ``assets/gallery/gallery.zip``: the held-out drawings and real photographs to measure on, other styles to train on."""

from __future__ import annotations

import io
import json
import zipfile

from drawings import drawings, rasterise
from fetch import ASSETS, HELD_OUT, ICON_SETS, IconSet
from photos import photos
from PIL import Image

ARCHIVE = ASSETS / "gallery" / "gallery.zip"
SIDE, PHOTO_SIDE = 160, 384
#: Two styles that the model was trained on, for fine-tuning erasers.
TRAIN_STYLES = ("noto", "twemoji")


def main() -> None:
    """Draw, scale, compress and write everything, the same bytes every time."""
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, str]] = []
    with zipfile.ZipFile(ARCHIVE.with_suffix(".part"), "w") as archive:
        _add_drawings(archive, entries, HELD_OUT, "test")
        for number, (photo, image) in enumerate(photos()):
            image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
            name = f"photo/{number:02d}_{photo.concept.replace(' ', '_')}.webp"
            entry = {"concept": photo.concept, "caption": photo.caption, "style": "photo", "split": "test"}
            entry |= {"licence": photo.licence, "source": photo.package, "author": photo.author}
            _add(archive, entries, name, image, entry)
        for icon_set in ICON_SETS:
            if icon_set.style in TRAIN_STYLES:
                _add_drawings(archive, entries, icon_set, "train")
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        archive.writestr(zipfile.ZipInfo("metadata.jsonl"), lines)
    ARCHIVE.with_suffix(".part").replace(ARCHIVE)
    print(f"{len(entries)} pictures, {ARCHIVE.stat().st_size / 1e6:.1f} MB")


def _add_drawings(archive: zipfile.ZipFile, entries: list[dict[str, str]], icon_set: IconSet, split: str) -> None:
    for number, drawing in enumerate(drawings(icon_set)):
        cut_out = Image.fromarray(rasterise(drawing.svg, SIDE))
        white = Image.new("RGBA", cut_out.size, "white")
        name = f"{icon_set.style}/{number:03d}_{drawing.concept.replace(' ', '_')}.webp"
        entry = {"concept": drawing.concept, "caption": f"a drawing of a {drawing.concept}", "style": icon_set.style}
        entry |= {"split": split, "licence": icon_set.licence, "source": icon_set.url, "author": icon_set.author}
        _add(archive, entries, name, Image.alpha_composite(white, cut_out).convert("RGB"), entry)


def _add(
    archive: zipfile.ZipFile, entries: list[dict[str, str]], name: str, image: Image.Image, entry: dict[str, str]
) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=90, method=6)
    # A ZipInfo of its own has a fixed date; WebP does not shrink further, so it is stored.
    archive.writestr(zipfile.ZipInfo(name), buffer.getvalue())
    entries.append({"file_name": name} | entry)


if __name__ == "__main__":
    main()
