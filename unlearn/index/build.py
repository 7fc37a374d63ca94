"""Building of an index: every image of a folder tree is encoded once, and an interrupted build can be continued."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.data.folders import images_under
from unlearn.data.gallery import ENOUGH
from unlearn.data.images import SUFFIXES, open_image
from unlearn.errors import ImageError, ModelError
from unlearn.index.codes import write_codes
from unlearn.index.store import HEADER, Appender, Header, Store, inside
from unlearn.progress import Progress

BATCH = 64


def build_index(
    folder: str | Path, out: str | Path, encoder: OpenClipEncoder, *, batch: int = BATCH
) -> Generator[Progress, None, Store]:
    """Encode the images under ``folder`` that the index ``out`` lacks; report the number of files done, of all files.

    The build can be stopped at any moment without loss. A later build adds new images; files that cannot be read are
    listed in :attr:`unlearn.index.store.Store.skipped` and not tried again.

    Raises:
        ImageError: ``folder`` is not a folder or contains no image, or ``out`` is not an index.
        ModelError: ``out`` is an index of other images or was made with other weights.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ImageError(f"“{folder}” is not a folder; give one with pictures in it or in its subfolders.")
    files = sorted(str(path.relative_to(root)) for path in images_under(root))
    if not files:
        raise ImageError(f"No pictures under “{folder}” ({', '.join(sorted(SUFFIXES))}).")
    header = Header(model=encoder.name, sha256=encoder.sha256, embed_dim=encoder.embed_dim, images=str(root))
    store = _open_or_create(Path(out), header)
    known = {*store.paths, *store.skipped}
    missing = [path for path in files if path not in known]
    done = len(files) - len(missing)
    yield Progress(done, len(files))
    with Appender(store) as appender:
        for paths, decoded, skipped in _decoded(root, missing, batch):
            rows = encoder.encode_image(decoded) if decoded else torch.empty(0, encoder.embed_dim)
            appender.add(rows, paths, skipped)
            done += len(paths) + len(skipped)
            yield Progress(done, len(files))
    store = Store.open(out)
    write_codes(store)
    return store


def _open_or_create(out: Path, header: Header) -> Store:
    if not (out / HEADER).exists():
        return Store.create(out, header)
    store = Store.open(out)
    if store.header != header:
        raise ModelError(
            f"“{out}” is the index of “{store.header.images}” by “{store.header.model}”, "
            "or by other weights of that name; write this one to another folder."
        )
    return store


def _decoded(root: Path, paths: list[str], batch: int) -> Iterator[tuple[list[str], list[Image.Image], dict[str, str]]]:
    """Decode the images at ``paths`` in batches: yield readable paths, their images, and the errors of the others."""

    def decode(path: str) -> Image.Image | str:
        try:
            return open_image(inside(root, path), enough=ENOUGH)
        except (ImageError, OSError) as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), batch):
            part = paths[start : start + batch]
            tried = dict(zip(part, pool.map(decode, part), strict=True))
            images = {path: got for path, got in tried.items() if not isinstance(got, str)}
            yield list(images), list(images.values()), {p: got for p, got in tried.items() if isinstance(got, str)}
