"""Train the judge of drawn pictures: a small network from scratch that shares nothing with the embedded CLIP but its drawings."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from augment import Augmentation
from pictures import Pictures, batch
from texts import labels
from torch import nn
from tqdm import trange

from unlearn.evaluation.judge import JUDGE_SIZE, build

#: As pocket-diffusion draws: upright, close to their colours, mostly on plain backgrounds.
DRAWN = Augmentation(
    size=JUDGE_SIZE,
    scale=(0.45, 1.0),
    degrees=8.0,
    white=0.5,
    colour_jitter=0.2,
    hue=0.03,
    grey=0.03,
    blur=0.3,
    noise=0.2,
    cutout=0.1,
)
SAVE_EVERY = 250


def fit(
    pictures: Pictures, checkpoint: Path, device: torch.device, steps: int, rate: float = 3e-3, count: int = 128
) -> nn.Module:
    """Train for ``steps`` of a one-cycle schedule, going on from ``checkpoint``; two things in a scene share the target."""
    known = labels()
    judge = build(known.concepts).to(device)
    average = torch.optim.swa_utils.AveragedModel(judge, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=0.02)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    state = {"judge": judge, "average": average, "optimiser": optimiser, "rates": rates}
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        for name, part in state.items():
            part.load_state_dict(saved[name])
        first = saved["step"]
    for step in (bar := trange(first, steps, initial=first, total=steps, desc="judge", mininterval=5)):
        scene, shown = batch(pictures, torch.randint(len(pictures), (count,)), DRAWN, pairs=0.35)
        with torch.autocast(device.type, torch.bfloat16):
            scores = judge(scene.to(device)).float()
        loss = torch.stack(
            [F.cross_entropy(scores, shown[:, i].to(device), label_smoothing=0.05) for i in (0, 1)]
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rates.step()
        average.update_parameters(judge)
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            torch.save({name: part.state_dict() for name, part in state.items()} | {"step": step + 1}, checkpoint)
    fitted = average.module.eval()
    _renew_statistics(fitted, pictures, device)
    return fitted


@torch.no_grad()
def _renew_statistics(judge: nn.Module, pictures: Pictures, device: torch.device) -> None:
    """Measure the batch norms' means and variances for the averaged weights."""
    norms = [module for module in judge.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    judge.train()
    for _ in range(30):
        judge(batch(pictures, torch.randint(len(pictures), (128,)), DRAWN, pairs=0.35)[0].to(device))
    judge.eval()
