"""A visitor's requests, as the screen or the API sends them. They are kept beside what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.erasers.settings import CARRY_METHODS, CCUPSettings, CLIPEraseSettings
from unlearn.erasers.variants import CCUP, CLIPERASE
from unlearn.options import option, same_option

RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN = "vocabulary", "neighbours", "list"


@dataclass(frozen=True)
class Concepts:
    """The concepts that a visitor erases, and those that the edit retains."""

    forget: Sequence[str] = option((), "Erase", "concepts to erase, any words")
    retain: str = option(
        RETAIN_VOCABULARY,
        "Protected concepts",
        "retain set: the rest of the vocabulary, the nearest neighbours, or own_retain",
        choices={
            RETAIN_VOCABULARY: "Rest of the vocabulary",
            RETAIN_NEIGHBOURS: "Nearest neighbours",
            RETAIN_OWN: "My list",
        },
    )
    own_retain: Sequence[str] = option((), "My list", "the list of retained concepts, where retain is “list”")


@dataclass(frozen=True)
class ErasureRequest(CCUPSettings, Concepts):
    """A visitor's request for CCUP: concepts, and every setting of the method."""

    def __post_init__(self) -> None:
        """Check nothing: a request is checked where it is carried out, by :meth:`Services.erase`."""


@dataclass(frozen=True)
class FineTuneRequest:
    """A visitor's request for CLIPErase; ``None`` leaves a number automatic, chosen by which weights train."""

    forget: Sequence[str] = option((), "Erase", "concepts to erase, of which there are images to learn from")
    steps: int | None = same_option(CLIPEraseSettings, "steps", default=None)
    learning_rate: float | None = same_option(CLIPEraseSettings, "learning_rate", default=None)
    trainable: str = same_option(CLIPEraseSettings, "trainable")
    forgetting: str = same_option(CLIPEraseSettings, "forgetting")
    seed: int = same_option(CLIPEraseSettings, "seed")


@dataclass(frozen=True)
class DrawRequest:
    """A visitor's request for a diffusion pipeline; ``None`` leaves a number to the pipeline's default."""

    prompt: str = option("", "Prompt", "what to draw")
    pipeline: str = option(
        "pocket",
        "Diffusion model",
        "diffusion model that draws",
        choices={
            "pocket": "pocket (64 px, in seconds)",
            "stable-diffusion-v1-5": "Stable Diffusion 1.5",
            "stable-diffusion-2-1": "Stable Diffusion 2.1",
            "stable-diffusion-xl": "Stable Diffusion XL",
            "sd-turbo": "SD Turbo (few steps)",
        },
    )
    seed: int = option(
        0, "Seed of the first picture", "seed of the first image; the next one takes the next", largest=2**32 - 1
    )
    count: int = option(4, "Pictures", "number of images", lowest=1, largest=8, step=1)
    steps: int | None = option(None, "Steps", "steps of a drawing", lowest=1, largest=150)
    guidance: float | None = option(None, "Guidance", "guidance towards the prompt", largest=30)
    edit: str = option(
        "",
        "Drawn after",
        "edit that draws “after”; empty for all that are active",
        choices={"": "All active edits", CCUP: "CCUP alone", CLIPERASE: "CLIPErase alone"},
    )
    carry_method: str = option(
        next(iter(CARRY_METHODS)),
        "How CCUP reaches the diffusion model",
        "how CCUP reaches the diffusion model: solved on the token states, there behind a gate that leaves prompts of "
        "other things alone or for all prompts, or pulled back from the joint space",
        choices=CARRY_METHODS,
    )
    judge: bool = option(False, "Judge a batch", "draw and judge a batch instead of the prompt")
