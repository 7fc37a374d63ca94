"""Fine-tune the backbone and the joint space on drawings, and keep what the backbone knows of photographs."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from augment import Augmentation
from imagenet import classifier, imagined_photos
from images import Images, batch
from joint_space import JointSpace, image_loss
from open_clip.model import CLIP
from texts import labels
from torch import Tensor, nn
from tqdm import trange

#: The first blocks stay as they are: edges and textures are the same in drawings, and they are half of the work.
FROZEN_BLOCKS = 3
#: Weights of the losses beside that of naming drawings.
KEEP, PHOTO, AGREE = 0.15, 0.4, 0.15
SAVE_EVERY = 100


def early(trunk: nn.Module, pixels: Tensor) -> Tensor:
    """Features after the frozen blocks."""
    hidden = trunk.bn1(trunk.conv_stem(pixels))
    for block in trunk.blocks[:FROZEN_BLOCKS]:
        hidden = block(hidden)
    return hidden


def late(trunk: nn.Module, hidden: Tensor) -> Tensor:
    """Pooled features (n, 1280) from those of :func:`early`."""
    for block in trunk.blocks[FROZEN_BLOCKS:]:
        hidden = block(hidden)
    return trunk.forward_head(trunk.bn2(trunk.conv_head(hidden)))


def fit(
    model: CLIP, space: JointSpace, images: Images, checkpoint: Path, *, steps: int, schedule: int, size: int
) -> dict[str, Tensor]:
    """Train for ``steps`` of a one-cycle ``schedule``; returns the averaged weights of the backbone.

    Four losses: drawings are named; the ImageNet classifier says of a drawing what it said before (learning without
    forgetting, Li and Hoiem 2016); imagined photographs are named; and the joint space agrees with the classifier.
    An interrupted run goes on from ``checkpoint``.
    """
    device = space.log_scale.device
    trunk = model.visual.trunk.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    before, head = copy.deepcopy(trunk), copy.deepcopy(classifier().get_classifier()).to(device)  # type: ignore[operator]
    trained = [p for part in (*trunk.blocks[FROZEN_BLOCKS:], trunk.conv_head, trunk.bn2) for p in part.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    groups = [
        {"params": trained, "lr": 3e-4, "weight_decay": 0.0},
        {"params": [space.project.weight], "lr": 2e-4, "weight_decay": 0.0},
        {"params": [space.own], "lr": 2e-3, "weight_decay": 0.1},
        {"params": [space.meaning.weight], "lr": 1e-3, "weight_decay": 0.02},
        {"params": [space.log_scale], "lr": 1e-3, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, [g["lr"] for g in groups], schedule, pct_start=0.1)
    average = copy.deepcopy(trunk)
    state = {"trunk": trunk, "average": average, "space": space, "optimiser": optimiser, "rates": rates}
    first = _resume(checkpoint, state)
    for step in (bar := trange(first, steps, initial=first, total=steps, desc="fine-tuning", mininterval=5)):
        scene, shown = batch(images, torch.randint(len(images), (64,)), Augmentation(size=size), pairs=0.12)
        losses = _losses(trunk, before, head, space, scene.contiguous(memory_format=torch.channels_last), shown)
        optimiser.zero_grad()
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(trained, 2.0)
        optimiser.step()
        rates.step()
        with torch.no_grad():
            for kept, now in zip(average.parameters(), trunk.parameters(), strict=True):
                kept.lerp_(now, 1 - min(0.995, (step + 1) / (step + 10)))
        bar.set_postfix({name: f"{value.item():.2f}" for name, value in losses.items()}, refresh=False)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            _save(checkpoint, state, step + 1)
    return average.state_dict()


def _losses(
    trunk: nn.Module, before: nn.Module, head: nn.Module, space: JointSpace, scene: Tensor, shown: Tensor
) -> dict[str, Tensor]:
    known, device = labels(), scene.device
    # On a CPU bf16 makes convolutions' forward pass four times faster, and their backward pass twice as slow.
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        hidden = early(trunk, scene)
        old = late(before, hidden).float()
    new = late(trunk, hidden.float())
    classes, scale = space.classes(synonyms=True), space.log_scale.exp().clamp(max=100)
    drawn = image_loss(space.images(new), classes, shown, scale)
    keep = _divergence(head(old), head(new))
    leaves = torch.randint(1000, (192,))
    photos, leaves = imagined_photos(leaves).to(device), leaves.to(device)
    photo = image_loss(space.images(photos), classes, (leaves + known.concepts)[:, None].expand(-1, 2), scale)
    both = torch.cat([old[: len(old) // 2], photos[:64]])
    agree = _divergence(head(both), scale * space.images(both) @ classes[known.concepts :].T)
    return {
        "loss": drawn + KEEP * keep + PHOTO * photo + AGREE * agree,
        "drawn": drawn,
        "keep": keep,
        "photo": photo,
        "agree": agree,
    }


def _divergence(wanted: Tensor, given: Tensor) -> Tensor:
    return F.kl_div(given.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean")


def _save(checkpoint: Path, state: dict[str, nn.Module], step: int) -> None:
    torch.save({name: part.state_dict() for name, part in state.items()} | {"step": step}, checkpoint)


def _resume(checkpoint: Path, state: dict[str, nn.Module]) -> int:
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    for name, part in state.items():
        part.load_state_dict(saved[name])
    return int(saved["step"])
