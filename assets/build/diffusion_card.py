"""Measure pocket-diffusion and its judge, and write their cards and the contact sheet."""

from __future__ import annotations

import argparse

import torch
from drawn import STYLES, drawn
from fetch import HELD_OUT, ICON_SETS
from PIL import Image, ImageDraw
from pipeline import FOLDER

from unlearn.bench.table import machine
from unlearn.data.gallery import bundled_gallery
from unlearn.diffusion.drawing import paint
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.diffusion.rates import cases_of
from unlearn.evaluation.judge import JUDGE, Judge, load_judge
from unlearn.progress import run_to_end

PROMPTS = 200
THUMB = 64
PIPELINE_CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# pocket-diffusion

A `StableDiffusionPipeline` that draws {count} things at 64 x 64, small enough to ship with a demo. Its text encoder *is* the text
tower of `pocket-clip`, so what is erased there can be seen to vanish here. It has learned these drawings by heart and draws nothing
else; it exists to show what an edit of the text encoder does.

- **Autoencoder**: AutoencoderKL, 64 x 64 x 3 to 8 x 8 x 12. **Denoiser**: UNet2DConditionModel, {unet:.1f} M parameters,
  cross-attention to 32 token states of 256. **Scheduler**: DDIM, v-prediction, cosine, zero terminal SNR; {steps} steps and guidance
  {guidance:g} are what it was measured with.
- **Load**: `diffusers.StableDiffusionPipeline.from_pretrained("assets/models/pocket-diffusion")`.
- Sentences: one thing or two ("a cat and a pizza"), and a background ("on a blue background": {colours}).

![One picture of each concept](contact-sheet.png)

## Measured
{prompts} prompts, each of the {count} concepts twice, in {wordings} wordings: the judge, a network of its own, has the prompted concept
first in **{top1:.1f} %** of the pictures and among its first five of {labels} in **{top5:.1f} %**. {machine}; seeds from 0;
`python assets/build/diffusion_card.py`.

Concepts seen (of two prompts each): both {both}; one {one}; none {none}.

## Made from
`assets/build/train_diffusion.py`, on 2 CPU cores: {pictures} drawings ({styles}), placed on plain backgrounds, alone or in twos.
Licences and attributions of the drawings are in `assets/LICENSES`.
"""
JUDGE_CARD = """---
license: apache-2.0
library_name: timm
pipeline_tag: image-classification
---

# judge

Says which of {labels} things a drawing shows: the first five stages of EfficientNet-Lite0 with their ImageNet weights, unchanged, and
a head trained on drawings; {million:.1f} million parameters. Nothing of it drives a drawing, and it is never edited. It is not wholly a
stranger to `pocket-clip`: that model's image tower was fine-tuned from the same backbone, on the same drawings. The text tower, which
is what drives `pocket-diffusion` and what is edited, shares nothing with it.

## Measured
| drawings | n | top-1 | top-5 |
| --- | --- | --- | --- |
| EmojiOne, a style that was never trained on | {held_n} | {held1:.1f} % | {held5:.1f} % |
| Noto and Twemoji, which it was trained on, plain on white | {known_n} | {known1:.1f} % | {known5:.1f} % |

{machine}; `python assets/build/diffusion_card.py`. It judges pictures drawn in the styles of the second row.

## Made from
`assets/build/train_diffusion.py --stages judge`: {styles} styles of drawings, augmented, a third of them two in a scene. Licences and
attributions are in `assets/LICENSES`.
"""


def accuracy(judge: Judge, gallery: object) -> tuple[int, float, float]:
    """How many labelled pictures, and the share named first and among the first five, in percent."""
    images = list(gallery)  # type: ignore[call-overload]
    top = torch.cat(
        [judge.scores([p.load() for p in images[i : i + 64]]).topk(5).indices for i in range(0, len(images), 64)]
    )
    own = torch.tensor([judge.labels.index(p.concept) for p in images])[:, None]
    return (
        len(images),
        100 * (top[:, :1] == own).float().mean().item(),
        100 * (top == own).any(1).float().mean().item(),
    )


def draw_all(loaded: LoadedPipeline, judge: Judge) -> tuple[float, float, dict[str, int]]:
    """Top-1 and top-5 in percent over ``PROMPTS`` prompts, and how often each concept was seen; writes the contact sheet."""
    cases = cases_of(loaded.known.draws, PROMPTS)
    sheet = Image.new("RGB", (10 * (THUMB + 4), (len(loaded.known.draws) + 9) // 10 * (THUMB + 16)), "white")
    first, seen = 0, dict.fromkeys(loaded.known.draws, 0)
    for start in range(0, len(cases), 8):
        batch = cases[start : start + 8]
        options = {"steps": loaded.known.steps, "guidance": loaded.known.guidance}
        images, _ = run_to_end(paint(loaded, loaded, [c.prompt for c in batch], [c.seed for c in batch], **options))
        top = judge.scores(images).topk(5).indices.tolist()
        for offset, (case, image, labels) in enumerate(zip(batch, images, top, strict=True)):
            own = judge.labels.index(case.concept)
            first += labels[0] == own
            seen[case.concept] += own in labels
            row, column = divmod(start + offset, 10)
            if start + offset < len(loaded.known.draws):
                sheet.paste(image, (column * (THUMB + 4) + 2, row * (THUMB + 16)))
                ImageDraw.Draw(sheet).text(
                    (column * (THUMB + 4) + 2, row * (THUMB + 16) + THUMB), case.concept[:12], fill="black"
                )
    sheet.quantize(128).save(FOLDER / "contact-sheet.png", optimize=True)
    return 100 * first / len(cases), 100 * sum(seen.values()) / len(cases), seen


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    loaded, judge = load_pipeline("pocket"), load_judge()
    top1, top5, seen = draw_all(loaded, judge)
    named = {times: ", ".join(name for name, n in seen.items() if n == times) or "–" for times in (0, 1)}
    (FOLDER / "README.md").write_text(
        PIPELINE_CARD.format(
            count=len(drawn()),
            unet=sum(p.numel() for p in loaded.pipeline.unet.parameters()) / 1e6,
            steps=loaded.known.steps,
            guidance=loaded.known.guidance,
            colours="white, blue, red, green, yellow, grey, black, pink, purple",
            prompts=PROMPTS,
            wordings=5,
            top1=top1,
            top5=top5,
            labels=len(judge.labels),
            machine=machine(),
            both=f"{sum(n == 2 for n in seen.values())} concepts",
            one=named[1],
            none=named[0],
            images=len(drawn()) * len(STYLES),
            styles=" and ".join(STYLES),
        ),
        encoding="utf-8",
    )
    gallery = bundled_gallery()
    held = [p for p in gallery.test if p.style == HELD_OUT.style]
    known = [p for p in gallery.train if p.style in STYLES]
    numbers = dict(zip(("held_n", "held1", "held5"), accuracy(judge, held), strict=True))
    numbers |= dict(zip(("known_n", "known1", "known5"), accuracy(judge, known), strict=True))
    (JUDGE / "README.md").write_text(
        JUDGE_CARD.format(
            labels=len(judge.labels),
            million=sum(p.numel() for p in judge.model.parameters()) / 1e6,
            machine=machine(),
            styles=len(ICON_SETS),
            **numbers,
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
