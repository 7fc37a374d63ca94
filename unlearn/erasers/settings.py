"""What the erasers may be asked for. Read without torch: the page and ``--help`` take choices and defaults here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from unlearn.errors import ParameterError, require_choice, require_fraction, require_positive, require_whole
from unlearn.files.schemas import STRICT

FORMS = ("paired", "consistent", "nullspace")
#: Settings without effect in a form.
UNUSED = {"nullspace": ("lam", "mu")}
SIDES = ("image", "text", "both")
BASELINES = ("none", "random", "leace")
#: What else suits a choice of ``trainable``: the fewer the weights, the larger the steps they need and the cheaper each
#: is. The first two were measured on the embedded model, the others are for a GPU; the paper's rate for all weights of
#: a much larger CLIP is 1e-6.
PRESETS: dict[str, dict[str, Any]] = {
    "projections": {"steps": 200, "batch_size": 128, "learning_rate": 3e-4},
    "last_blocks": {"steps": 80, "batch_size": 32, "learning_rate": 1e-4},
    "all": {"steps": 200, "batch_size": 32, "learning_rate": 3e-5},
    "lora": {"steps": 200, "batch_size": 32, "learning_rate": 1e-3},
}
TRAINABLE = tuple(PRESETS)
FORGETTING = ("cosine", "gradient_ascent")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class CCUPSettings:
    """How CCUP erases. The defaults were chosen by measuring: README.

    Attributes:
        form: one of :data:`FORMS`: ``paired`` acts where the concept's pictures and texts meet; of the paper's two
            forms ``consistent`` protects the retain set and ``nullspace`` is a plain projection.
        strength: α from 0 (the identity) to 1 (the concept's texts go to nothing).
        lam: λ, weight of forgetting; unused by ``nullspace``, like ``mu``.
        mu: μ, weight of retaining.
        side: which embeddings are edited, one of :data:`SIDES`: ``image``, ``text`` or, but for ``paired``, ``both``.
        synonyms: whether plural and synonyms of a concept belong to its forget set.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    form: str = "paired"
    strength: float = 1.0
    lam: float = 1000.0
    mu: float = 100.0
    side: str = "image"
    synonyms: bool = True

    def __post_init__(self) -> None:
        require_choice("form", self.form, FORMS)
        require_choice("side", self.side, SIDES)
        if self.form == "paired" and self.side == "both":
            raise ParameterError(
                "The paired form changes the score of a picture with a text, which is done on one side: edit pictures "
                "or texts, or choose “consistent” or “nullspace” to edit both."
            )
        require_fraction("strength", self.strength)
        require_positive("lambda", self.lam, largest=1e6)
        require_positive("mu", self.mu, largest=1e6, zero_allowed=True)

    def with_form(self, form: str) -> CCUPSettings:
        """The same in another form; the paired form edits pictures where both sides were asked for."""
        side = "image" if form == "paired" and self.side == "both" else self.side
        return replace(self, form=form, side=side)


@dataclass(frozen=True)
class CLIPEraseSettings:
    """How CLIPErase fine-tunes. The weights of the losses are the paper's; the rest was chosen by measuring: README.

    Attributes:
        trainable: what trains: the two ``projections``, the ``last_blocks`` and what follows them, ``lora`` or ``all``.
            Stable Diffusion, which reads the text tower before its projection, sees an erasure by the last three.
        forgetting: ``cosine``, the paper's, or ``gradient_ascent``, a variant.
        steps: optimiser steps.
        batch_size: pairs of each set a step.
        learning_rate: of Adam.
        retention_weight: λ₁; 0 leaves the module out, as for the other two.
        forgetting_weight: λ₂.
        consistency_weight: λ₃.
        lora_rank: rank of the adapters; ``lora`` only.
        precision: of the towers' arithmetic, one of :data:`PRECISIONS`; losses and weights are float32.
        eval_every: steps from one measurement of accuracy to the next.
        seed: of the batches.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    trainable: str = "projections"
    forgetting: str = "cosine"
    steps: int = 200
    batch_size: int = 128
    learning_rate: float = 3e-4
    retention_weight: float = 1.0
    forgetting_weight: float = 3.0
    consistency_weight: float = 3.0
    lora_rank: int = 8
    precision: str = "float32"
    eval_every: int = 20
    seed: int = 0

    @classmethod
    def of(cls, trainable: str = trainable, **given: Any) -> CLIPEraseSettings:
        """Settings with what :data:`PRESETS` has for ``trainable``, but for what is ``given``."""
        return cls(trainable, **{**PRESETS.get(trainable, {}), **given})

    def __post_init__(self) -> None:
        require_choice("trainable", self.trainable, TRAINABLE)
        require_choice("forgetting", self.forgetting, FORGETTING)
        require_choice("precision", self.precision, PRECISIONS)
        require_positive("learning rate", self.learning_rate, largest=0.1)
        for name in ("retention_weight", "forgetting_weight", "consistency_weight"):
            require_positive(name.replace("_", " "), getattr(self, name), largest=1000, zero_allowed=True)
        for name, largest in (("steps", 100_000), ("batch_size", 1024), ("lora_rank", 256), ("eval_every", 100_000)):
            require_whole(name.replace("_", " "), getattr(self, name), largest=largest)
        require_whole("seed", self.seed, lowest=0, largest=2**31 - 1)


@dataclass(frozen=True)
class BaselineSettings:
    """Which baseline.

    Attributes:
        kind: one of :data:`BASELINES`.
        side: embeddings that are edited, one of :data:`SIDES`.
        strength: 0 is the identity.
        seed: of ``random``.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    kind: str
    side: str = "image"
    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_choice("kind", self.kind, BASELINES)
        require_choice("side", self.side, SIDES)
        require_fraction("strength", self.strength)
        require_whole("seed", self.seed, lowest=0, largest=2**31 - 1)


@dataclass(frozen=True)
class StackedSettings:
    """The settings of both parts, where CCUP was put on top of CLIPErase."""

    cliperase: CLIPEraseSettings
    ccup: CCUPSettings
