"""Fetch the pinned npm packages that the pictures and words come from, into a cache folder (``POCKET_CACHE``)."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent
CACHE = Path(os.environ.get("POCKET_CACHE", Path.home() / ".cache" / "pocket-clip"))


@dataclass(frozen=True)
class IconSet:
    """An icon set on npm: a drawing style and whom to thank."""

    package: str
    version: str
    licence: str
    author: str
    url: str
    monochrome: bool = False

    @property
    def style(self) -> str:
        return self.package.removeprefix("@iconify-json/")


ICON_SETS = (
    IconSet("@iconify-json/noto", "1.2.9", "Apache-2.0", "Google Inc", "https://github.com/googlefonts/noto-emoji"),
    IconSet("@iconify-json/noto-v1", "1.2.5", "Apache-2.0", "Google Inc", "https://github.com/googlefonts/noto-emoji"),
    IconSet("@iconify-json/twemoji", "1.2.5", "CC-BY-4.0", "Twitter", "https://github.com/jdecked/twemoji"),
    IconSet(
        "@iconify-json/fluent-emoji",
        "1.2.7",
        "MIT",
        "Microsoft Corporation",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    IconSet(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "MIT",
        "Microsoft Corporation",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    IconSet(
        "@iconify-json/fluent-emoji-high-contrast",
        "1.2.6",
        "MIT",
        "Microsoft Corporation",
        "https://github.com/microsoft/fluentui-emoji",
        monochrome=True,
    ),
    IconSet("@iconify-json/fxemoji", "1.2.2", "Apache-2.0", "Mozilla", "https://github.com/mozilla/fxemoji"),
    IconSet(
        "@iconify-json/streamline-emojis",
        "1.2.4",
        "CC-BY-4.0",
        "Streamline",
        "https://github.com/webalys-hq/streamline-vectors",
    ),
)
#: The style kept out of training: its pictures are the gallery, where a known concept meets a new drawing.
HELD_OUT = IconSet("@iconify-json/emojione", "1.2.3", "CC-BY-4.0", "Emoji One", "https://github.com/EmojiTwo/emojitwo")
LABELS = ("emojibase-data", "17.0.0")


def package_dir(name: str, version: str) -> Path:
    """Folder of an npm package, fetched with ``npm pack`` the first time."""
    stem = f"{name.removeprefix('@').replace('/', '-')}-{version}"
    folder = CACHE / "npm" / stem
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", f"{name}@{version}"], cwd=folder.parent, check=True, capture_output=True)
        with tarfile.open(folder.parent / f"{stem}.tgz") as archive:
            archive.extractall(folder.parent / f"{stem}.part", filter="data")
        (folder.parent / f"{stem}.part" / "package").rename(folder)
        (folder.parent / f"{stem}.part").rmdir()
    return folder


@cache
def emojibase(file: str = "en/data.json") -> list[dict[str, Any]]:
    """Emoji with label, tags, group and subgroup, in the language of ``file``."""
    entries: list[dict[str, Any]] = json.loads((package_dir(*LABELS) / file).read_text(encoding="utf-8"))
    return entries


if __name__ == "__main__":
    for icon_set in (*ICON_SETS, HELD_OUT):
        print(package_dir(icon_set.package, icon_set.version))
    print(package_dir(*LABELS))
