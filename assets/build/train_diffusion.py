"""Train pocket-diffusion and its judge: autoencoder, denoiser, judge.

On a GPU where there is one, else on the CPU. An interrupted run goes on from its checkpoints.
"""

from __future__ import annotations

import argparse
import json

import judge
import torch
import unet
import vae
from fetch import CACHE, ICON_SETS
from images import load_images
from pipeline import assemble, clip_tokenizer, export, text_encoder
from safetensors.torch import save_file
from texts import labels

from unlearn.evaluation.judge import JUDGE

RUN = CACHE / "pocket-diffusion"


def main() -> None:
    """Run the stages and write ``assets/models/pocket-diffusion`` and ``assets/models/judge``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="+", choices=("vae", "unet", "judge"), default=("vae", "unet", "judge"))
    parser.add_argument("--vae-steps", type=int, default=3600)
    parser.add_argument("--unet-steps", type=int, default=7000)
    parser.add_argument("--judge-steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    RUN.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    if {"vae", "unet"} & set(options.stages):
        autoencoder = vae.fit(RUN / "vae.pt", device, options.vae_steps)
    if "unet" in options.stages:
        denoiser = unet.fit(
            autoencoder, clip_tokenizer(), text_encoder().to(device), RUN / "unet.pt", steps=options.unet_steps
        )
        export(assemble(autoencoder.cpu(), denoiser.cpu(), unet.scheduler()))
    if "judge" in options.stages:
        fitted = judge.fit(load_images(ICON_SETS), RUN / "judge.pt", device, options.judge_steps)
        write_judge(fitted)


def write_judge(fitted: torch.nn.Module) -> None:
    """Write the judge's weights, in fp16, and its labels."""
    JUDGE.mkdir(parents=True, exist_ok=True)
    half = {k: v.half() if v.is_floating_point() else v for k, v in fitted.cpu().state_dict().items()}
    save_file({k: v.contiguous() for k, v in half.items()}, JUDGE / "model.safetensors")
    names = labels().names[: labels().concepts]
    (JUDGE / "labels.json").write_text(json.dumps(names, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
