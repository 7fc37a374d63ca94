"""Encoding of texts and images and decoding of large images, each beside the plain way that gives the same."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn import late
from unlearn.bench.table import Table, machine, one_thread
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.prompts import prompts
from unlearn.concepts.selection import load_vocabulary
from unlearn.data.gallery import ENOUGH, bundled_gallery
from unlearn.data.images import open_image

TEXTS, IMAGES, REPEATS, QUICK_REPEATS = 64, 16, 9, 2
LARGE = (4000, 3000)
ARCHITECTURE = "ViT-B-32"


def run(quick: bool = False) -> Table:
    """Time both ways in turn on one core; the rows of both are compared as they are timed."""
    repeats = QUICK_REPEATS if quick else REPEATS
    with one_thread():
        rows = [
            _texts("pocket", load_clip("pocket", device="cpu"), TEXTS, repeats),
            _texts(f"{ARCHITECTURE}, random weights", _untrained(), TEXTS // 4, repeats),
            _images(load_clip("pocket", device="cpu"), repeats),
            _large_jpeg(repeats),
        ]
    return Table(
        name="encode",
        columns=("step", "plain", "plain, ms", "here, ms", "×", "largest difference"),
        rows=tuple(rows),
        note=f"Processor time of one thread, least of {repeats} in turn. Texts: “a photo of a …” with the vocabulary's "
        "first names. Difference: of embeddings at unit length; of the JPEG, 1 − cosine of pocket's embeddings. "
        f"Seed 0; {machine()}.",
    )


def _untrained() -> OpenClipEncoder:
    torch.manual_seed(0)
    model, _, preprocess = late.open_clip.create_model_and_transforms(ARCHITECTURE, pretrained=None, device="cpu")
    tokenizer = late.open_clip.get_tokenizer(ARCHITECTURE)
    return OpenClipEncoder(ARCHITECTURE, model.eval().requires_grad_(False), preprocess, tokenizer, torch.device("cpu"))


def _texts(name: str, encoder: OpenClipEncoder, n: int, repeats: int) -> tuple[str, ...]:
    texts = [prompts(concept)[0] for concept in load_vocabulary().names[:n]]
    model, tokenizer = _open_clip(encoder)

    def plain() -> Tensor:
        return F.normalize(model.encode_text(tokenizer(texts)), dim=-1)

    return _row(f"{n} texts, {name}", "whole context", plain, lambda: encoder.encode_text(texts), repeats)


def _images(encoder: OpenClipEncoder, repeats: int) -> tuple[str, ...]:
    images = [image.load() for image in bundled_gallery().images[:IMAGES]]
    model, _ = _open_clip(encoder)
    preprocess: Any = encoder.preprocess

    def plain() -> Tensor:
        return F.normalize(model.encode_image(torch.stack([preprocess(image) for image in images])), dim=-1)

    return _row(f"{IMAGES} images, pocket", "channels first", plain, lambda: encoder.encode_image(images), repeats)


def _large_jpeg(repeats: int) -> tuple[str, ...]:
    encoder = load_clip("pocket", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jpg"
        photo = bundled_gallery().images[0].load().resize(LARGE, Image.Resampling.BICUBIC)
        # Grain, as photographs of this size have it: smooth images decode much faster.
        Image.blend(photo, Image.effect_noise(LARGE, 60).convert("RGB"), 0.1).save(path, quality=92)

        def prepared(enough: int | None) -> Callable[[], Tensor]:
            return lambda: encoder.pixels([open_image(path, enough=enough)])

        slow, fast = _interleaved((prepared(None), prepared(ENOUGH)), repeats)
        whole, draft = encoder.encode_image([open_image(path), open_image(path, enough=ENOUGH)])
    return (
        "a JPEG of 12 megapixels, to the tower's pixels",
        "decoded whole",
        f"{slow:.3g}",
        f"{fast:.3g}",
        f"{slow / fast:.2g}",
        f"{1 - float(whole @ draft):.1e}",
    )


def _open_clip(encoder: OpenClipEncoder) -> tuple[Any, Any]:
    return encoder.model, encoder.tokenizer


@torch.inference_mode()
def _row(
    step: str, name: str, plain: Callable[[], Tensor], here: Callable[[], Tensor], repeats: int
) -> tuple[str, ...]:
    difference = float((plain() - here()).abs().max())
    slow, fast = _interleaved((plain, here), repeats)
    return step, name, f"{slow:.3g}", f"{fast:.3g}", f"{slow / fast:.2g}", f"{difference:.1e}"


def _interleaved(steps: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the least processor time of each of ``steps`` in milliseconds, run in turn."""
    least = [float("inf")] * len(steps)
    for _ in range(repeats):
        for i, step in enumerate(steps):
            start = time.process_time()
            step()
            least[i] = min(least[i], 1e3 * (time.process_time() - start))
    return least
