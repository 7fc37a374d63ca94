"""Train the judge of drawings: ImageNet's early features as they are, and a head that learns drawings from scratch."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from augment import Augmentation
from imagenet import classifier
from images import Images, batch
from texts import labels
from torch import Tensor
from tqdm import trange

from unlearn.evaluation.judge import JUDGE_SIZE, STAGES, JudgeNetwork

#: As pocket-diffusion draws: upright, close to their colours, on plain backgrounds, soft.
DRAWN = Augmentation(
    size=64,
    scale=(0.45, 1.0),
    degrees=6.0,
    white=0.5,
    colour_jitter=0.15,
    hue=0.02,
    grey=0.02,
    blur=0.3,
    noise=0.15,
    cutout=0.05,
)
#: Scenes whose features are computed once; the head sees each of them many times.
SCENES = 40_000


def untrained(count: int) -> JudgeNetwork:
    """ImageNet's first stages and a fresh head. The embedded CLIP was fine-tuned from the same; this was not."""
    judge = JudgeNetwork(count)
    backbone = classifier()
    judge.stem[0].load_state_dict(backbone.conv_stem.state_dict())
    judge.stem[1].load_state_dict(backbone.bn1.state_dict())
    for own, theirs in zip(judge.stages, backbone.blocks[:STAGES], strict=True):
        own.load_state_dict(theirs.state_dict())
    return judge


@torch.no_grad()
def scenes(judge: JudgeNetwork, images: Images, checkpoint: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """Features (n, 464) of augmented scenes and their labels (n, 2), both columns the same where there is one thing."""
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        return saved["features"], saved["shown"]
    features, shown = [], []
    for _ in trange(SCENES // 128, desc="judge: scenes", mininterval=5):
        scene, labelled = batch(images, torch.randint(len(images), (128,)), DRAWN, pairs=0.3)
        large = F.interpolate(scene.to(device), size=(JUDGE_SIZE, JUDGE_SIZE), mode="bilinear")
        with torch.autocast(device.type, torch.bfloat16):
            features.append(judge.features(large).float().cpu())
        shown.append(labelled)
    saved = {"features": torch.cat(features), "shown": torch.cat(shown)}
    torch.save(saved, checkpoint)
    return saved["features"], saved["shown"]


def fit(
    images: Images, checkpoint: Path, device: torch.device, steps: int, rate: float = 3e-3, count: int = 512
) -> JudgeNetwork:
    """Train the head for ``steps`` of a one-cycle schedule; two things in a scene share the target."""
    judge = untrained(labels().concepts).eval().to(device)
    features, shown = scenes(judge, images, checkpoint, device)
    head = judge.head.train()
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.05)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for _ in (bar := trange(steps, desc="judge: head", mininterval=5)):
        chosen = torch.randint(len(features), (count,))
        noisy = features[chosen] * (1 + 0.1 * torch.randn(count, features.shape[1]))
        scores = head(noisy.to(device))
        targets = shown[chosen].to(device)
        loss = torch.stack([F.cross_entropy(scores, targets[:, i], label_smoothing=0.05) for i in (0, 1)]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rates.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return judge.eval()
