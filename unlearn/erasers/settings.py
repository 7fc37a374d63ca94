"""Settings of the erasers, importable without torch: the app and ``--help`` take choices and defaults from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict

from unlearn.errors import ParameterError, require_choice
from unlearn.files.schemas import STRICT
from unlearn.options import check_options, option, options_of, same_option

#: Forms with a retain set and a weight for it.
WITH_RETAIN_SET = {"form": ("paired", "consistent")}
#: Methods that carry CCUP to the token states of a diffusion model, with their labels on screen; the default first.
CARRY_METHODS = {
    "gated": "Solved on the token states, behind a gate",
    "ridge": "Solved on the token states, for all prompts",
    "pull_back": "Pulled back from the joint space",
}
BASELINES = ("none", "random", "leace")
#: Default training settings for each choice of ``trainable``: fewer weights need larger steps, and make each step
#: cheaper. The first three presets were measured on the embedded model, the others are for a GPU; the paper's learning
#: rate for all weights of a much larger CLIP is 1e-6.
PRESETS: dict[str, dict[str, Any]] = {
    "text": {"steps": 80, "batch_size": 32, "learning_rate": 1e-4},
    "projections": {"steps": 200, "batch_size": 128, "learning_rate": 3e-4},
    "last_blocks": {"steps": 80, "batch_size": 32, "learning_rate": 1e-4},
    "all": {"steps": 200, "batch_size": 32, "learning_rate": 3e-5},
    "lora": {"steps": 200, "batch_size": 32, "learning_rate": 1e-3},
}
TRAINABLE = tuple(PRESETS)
Side: TypeAlias = Literal["image", "text", "both"]
#: Choices of ``trainable`` whose frozen part takes nearly all of the time, so that the strength can change live.
LIVE = ("text", "projections")


@dataclass(frozen=True)
class CCUPSettings:
    """Settings of CCUP. The defaults were chosen by measuring (see docs/measured.md)."""

    __pydantic_config__: ClassVar[Any] = STRICT

    form: str = option(
        "paired",
        "Form",
        "form of the projection: paired acts where images and texts of the concept meet; of the paper's two forms "
        "consistent preserves the retain set, and nullspace is a plain projection",
        choices={
            "paired": "Paired: where its pictures and words meet",
            "consistent": "Consistent: protect the others (paper)",
            "nullspace": "Nullspace: plain projection (paper)",
        },
    )
    strength: float = option(1.0, "Strength", "share of the concept that is erased", largest=1, step=0.01)
    lam: float = option(
        1000.0, "λ, weight of forgetting", "weight λ of forgetting", largest=1e6, above_zero=True, only=WITH_RETAIN_SET
    )
    mu: float = option(100.0, "μ, weight of protecting", "weight μ of retaining", largest=1e6, only=WITH_RETAIN_SET)
    side: str = option(
        "image",
        "Edited embeddings",
        "embeddings that are edited; the paired form edits one side only",
        choices={"image": "Pictures", "text": "Texts", "both": "Both"},
    )
    synonyms: bool = option(True, "Erase plurals and synonyms too", "erase plurals and synonyms of a concept with it")

    def __post_init__(self) -> None:
        check_options(self)
        if self.form == "paired" and self.side == "both":
            raise ParameterError(
                "The paired form changes the score of a picture with a text, which is done on one side: edit pictures "
                "or texts, or choose “consistent” or “nullspace” to edit both."
            )

    def with_form(self, form: str) -> CCUPSettings:
        """Return the settings with another form; the paired form edits the image side if both sides were set."""
        side = "image" if form == "paired" and self.side == "both" else self.side
        return replace(self, form=form, side=side)


FORMS, SIDES = (tuple(options_of(CCUPSettings)[name].choices) for name in ("form", "side"))


class CCUPOptions(TypedDict, total=False):
    """Options of CCUP, as :func:`unlearn.erase` takes them; a test compares them with the settings."""

    form: Literal["paired", "consistent", "nullspace"]
    strength: float
    lam: float
    mu: float
    side: Side
    synonyms: bool


@dataclass(frozen=True)
class CLIPEraseSettings:
    """Settings of CLIPErase. Loss weights are the paper's; the other defaults were measured (see docs/measured.md)."""

    __pydantic_config__: ClassVar[Any] = STRICT

    trainable: str = option(
        "text",
        "What trains",
        "weights that train; with text all forgetting is done by the text tower, and so reaches the pictures that it "
        "drives, while projections reaches none",
        choices={
            "text": "Text tower: its last two blocks (seconds)",
            "projections": "Projections of both towers (seconds)",
            "last_blocks": "Their last blocks (minutes)",
            "lora": "LoRA adapters",
            "all": "All weights (slow)",
        },
    )
    strength: float = same_option(
        CCUPSettings,
        "strength",
        help="share of the way from the original weights to the trained ones",
    )
    forgetting: str = option(
        "cosine",
        "Forgetting module",
        "loss of the forgetting module: the paper's cosine, or the variant gradient_ascent",
        choices={"cosine": "Cosine of the pairs (paper)", "gradient_ascent": "Gradient ascent (variant)"},
    )
    steps: int = option(80, "Steps", "optimiser steps", lowest=1, largest=100_000, depends_on="trainable")
    batch_size: int = option(
        32,
        "Batch size",
        "pairs of the forget set, and of the retain set, in a step",
        lowest=1,
        largest=1024,
        depends_on="trainable",
    )
    learning_rate: float = option(
        1e-4, "Learning rate", "learning rate of Adam", largest=0.1, above_zero=True, depends_on="trainable"
    )
    retention_weight: float = option(
        1.0, "λ₁, weight of retention", "weight λ₁ of the retention module; 0 leaves it out", largest=1000
    )
    forgetting_weight: float = option(
        3.0, "λ₂, weight of forgetting", "weight λ₂ of the forgetting module; 0 leaves it out", largest=1000
    )
    consistency_weight: float = option(
        3.0, "λ₃, weight of consistency", "weight λ₃ of the consistency module; 0 leaves it out", largest=1000
    )
    lora_rank: int = option(8, "Rank", "rank of LoRA's adapters", lowest=1, largest=256)
    precision: str = option(
        "float32",
        "Precision",
        "arithmetic of the towers; losses and weights are float32",
        choices={"float32": "float32", "bfloat16": "bfloat16"},
    )
    eval_every: int = option(
        20, "Steps between measurements", "steps from one measurement, and checkpoint, to the next", lowest=1,
        largest=100_000,
    )  # fmt: skip
    seed: int = option(0, "Seed", "seed of the batches", largest=2**31 - 1)

    @classmethod
    def of(cls, trainable: str = "text", **given: Any) -> CLIPEraseSettings:
        """Return settings with the preset of ``trainable`` from :data:`PRESETS`, overridden by ``given``."""
        return cls(trainable, **{**PRESETS.get(trainable, {}), **given})

    def __post_init__(self) -> None:
        check_options(self)


class CLIPEraseOptions(TypedDict, total=False):
    """Options of CLIPErase, as :func:`unlearn.erase` takes them; a test compares them with the settings."""

    trainable: Literal["text", "projections", "last_blocks", "all", "lora"]
    strength: float
    forgetting: Literal["cosine", "gradient_ascent"]
    steps: int
    batch_size: int
    learning_rate: float
    retention_weight: float
    forgetting_weight: float
    consistency_weight: float
    lora_rank: int
    precision: Literal["float32", "bfloat16"]
    eval_every: int


@dataclass(frozen=True)
class BaselineSettings:
    """Settings of the baselines."""

    __pydantic_config__: ClassVar[Any] = STRICT

    kind: str
    side: str = same_option(CCUPSettings, "side", help="embeddings that are edited")
    strength: float = same_option(CCUPSettings, "strength")
    seed: int = option(0, "Seed", "seed of the random directions", largest=2**31 - 1)

    def __post_init__(self) -> None:
        require_choice("kind", self.kind, BASELINES)
        check_options(self)


class BaselineOptions(TypedDict, total=False):
    """Options of the baselines, as :func:`unlearn.erase` takes them; a test compares them with the settings."""

    strength: float
    side: Side


@dataclass(frozen=True)
class StackedSettings:
    """Settings of both parts of CCUP on top of CLIPErase."""

    cliperase: CLIPEraseSettings
    ccup: CCUPSettings
