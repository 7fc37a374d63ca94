"""CLIPErase (arXiv 2410.23330, ACL 2025): erase a concept by fine-tuning with three competing losses.

    L = λ₁·L_RM + λ₂·L_FM + λ₃·L_CM

Forgetting (FM) drives the matched pairs of the forget set apart, retention (RM) keeps CLIP's contrastive loss low on
the retain set, and consistency (CM) keeps each modality's embeddings where they were. :mod:`unlearn.erasers.losses`
has the formulas; :mod:`unlearn.finetuning` defines the trained weights and the pairs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import Selection, Vocabulary, load_vocabulary
from unlearn.data.gallery import Gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.losses import consistency_loss, forgetting_loss, gradient_ascent_loss, retention_loss
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import JobError, OutOfTimeError
from unlearn.finetuning.batches import Batches, Embedded
from unlearn.finetuning.checkpoints import Checkpoint
from unlearn.finetuning.pairs import forget_and_retain
from unlearn.finetuning.prepared import Frozen
from unlearn.finetuning.probes import Probe
from unlearn.finetuning.processes import Processes
from unlearn.finetuning.trainable import make_trainable
from unlearn.progress import Progress, map_progress, steps_text, within

#: Fractions of a run after which the images are encoded and the training is done, where nothing was cached.
ENCODED, TRAINED = 0.8, 0.95
#: Text of the last step's progress: the work that follows before the result is shown.
COMPLETE = "Encoding the gallery with the new weights."


@dataclass(frozen=True, kw_only=True)
class TrainingStep(Progress):
    """Losses of one training step's batch and the latest measured accuracies; ``done`` 0 is before the first step.

    Losses and accuracies are NaN if not measured; ``seconds`` counts training only.
    """

    loss: float = math.nan
    retention: float = math.nan
    forgetting: float = math.nan
    consistency: float = math.nan
    forget_accuracy: float
    retain_accuracy: float
    seconds: float = 0.0

    @property
    def short(self) -> str:
        return f"loss={self.loss:.3f}, forget={self.forget_accuracy:.1%}, retain={self.retain_accuracy:.1%}"


def train(
    encoder: OpenClipEncoder,
    selection: Selection,
    settings: CLIPEraseSettings | None = None,
    *,
    galleries: Sequence[Gallery],
    probe: Gallery,
    vocabulary: Vocabulary | None = None,
    checkpoint: Path | None = None,
) -> Generator[Progress, None, Erasure[CLIPEraseSettings]]:
    """Fine-tune a copy of ``encoder``'s model; a generator that yields progress and *returns* the erasure.

    Closing the generator ends the run at its current step without side effects. If the time limit is reached, the
    erasure equals that of a run of as many steps as were made.

    Args:
        encoder: the model; it is not changed, and can be used concurrently.
        selection: forget and retain set, from :func:`unlearn.concepts.selection.select`.
        settings: what trains, the losses' weights, steps, learning rate.
        galleries: images to train on, pooled.
        probe: images to measure accuracy on, which should not be among the training images.
        vocabulary: labels offered when measuring, beside the forget set, and the prompt templates to train with; the
            bundled vocabulary by default.
        checkpoint: file to save the state to at every measurement; if it exists, the run resumes from it.

    Raises:
        ImageError: a concept to forget has no image, or no retained concept has one.
        ModelError: the model has no part that ``settings.trainable`` names.
        JobError: while running, a loss was not finite, or the checkpoint belongs to another run.
    """
    # Checked here, at the call: the body of a generator would raise only at its first step.
    settings = settings or CLIPEraseSettings()
    vocabulary = vocabulary or load_vocabulary()
    forget, retain = forget_and_retain(selection, galleries, vocabulary.templates)
    trainable = make_trainable(encoder, settings.trainable, lora_rank=settings.lora_rank, seed=settings.seed)
    frozen = Frozen(encoder, trainable, settings.precision)
    names = (*vocabulary.names, *(name for name in selection.forget_names if name not in vocabulary.names))

    def run() -> Generator[Progress, None, Erasure[CLIPEraseSettings]]:
        *images, probe_images = yield from map_progress(frozen.images([*galleries, probe]), within(0.0, ENCODED))
        texts = (frozen.texts(forget.texts), frozen.texts(retain.texts))
        processes = Processes.current(encoder.device)
        batches = Batches(frozen, images, forget, retain, texts, settings.batch_size, settings.seed, processes)
        measure = Probe(frozen, probe_images, names, selection.forget_names)
        saved = _checkpoint(checkpoint, encoder, selection, settings, vocabulary) if checkpoint else None
        made = yield from map_progress(
            _steps(batches, settings, encoder.logit_scale, measure, saved), within(ENCODED, TRAINED)
        )
        return Erasure("cliperase", selection, replace(settings, steps=made), delta=trainable.delta())

    return run()


def _steps(
    batches: Batches, settings: CLIPEraseSettings, logit_scale: float, measure: Probe, saved: Checkpoint | None
) -> Generator[TrainingStep, None, int]:
    """Train and yield progress; returns the number of steps made."""
    parameters = batches.frozen.trainable.parameters
    optimizer = torch.optim.Adam(parameters.values(), lr=settings.learning_rate)
    first = saved.restore(parameters, optimizer) if saved else 0
    forget_accuracy, retain_accuracy = measure()
    yield TrainingStep(
        first,
        settings.steps,
        steps_text(first, settings.steps),
        forget_accuracy=forget_accuracy,
        retain_accuracy=retain_accuracy,
    )

    started = time.perf_counter()
    for step in range(first + 1, settings.steps + 1):
        losses = _losses(*batches.embed(step), settings, logit_scale)
        if not math.isfinite(losses["loss"].item()):
            raise JobError(
                f"The loss became {losses['loss'].item()} at step {step}: the run was ended and nothing was changed. "
                "Try a lower learning rate."
            )
        optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        batches.processes.sum_gradients(parameters.values())
        optimizer.step()
        if step % settings.eval_every == 0 or step == settings.steps:
            forget_accuracy, retain_accuracy = measure()
            if saved and batches.processes.first:
                saved.write(step, parameters, optimizer)
        seconds = time.perf_counter() - started
        record = TrainingStep(
            step,
            settings.steps,
            steps_text(step, settings.steps) if step < settings.steps else COMPLETE,
            **{name: value.item() for name, value in losses.items()},
            forget_accuracy=forget_accuracy,
            retain_accuracy=retain_accuracy,
            seconds=seconds,
        )
        try:
            yield record
        except OutOfTimeError:
            return step
    return settings.steps


def _losses(forget: Embedded, retain: Embedded, settings: CLIPEraseSettings, logit_scale: float) -> dict[str, Tensor]:
    """Return the three losses and their weighted sum ``loss``, named as in :class:`TrainingStep`."""
    if settings.forgetting == "gradient_ascent":
        forgetting = gradient_ascent_loss(forget.images, forget.texts, retain.images, retain.texts, logit_scale)
    else:
        forgetting = forgetting_loss(forget.images, forget.texts)
    retention = retention_loss(retain.images, retain.texts, logit_scale)
    consistency = consistency_loss(retain.original_images, retain.images) + consistency_loss(
        retain.original_texts, retain.texts
    )
    loss = (
        settings.retention_weight * retention
        + settings.forgetting_weight * forgetting
        + settings.consistency_weight * consistency
    )
    return {"loss": loss, "retention": retention, "forgetting": forgetting, "consistency": consistency}


def _checkpoint(
    path: Path, encoder: OpenClipEncoder, selection: Selection, settings: CLIPEraseSettings, vocabulary: Vocabulary
) -> Checkpoint:
    # The strength and the interval between measurements do not change what is trained: a resumed run may have others.
    parameters = {name: value for name, value in asdict(settings).items() if name not in ("eval_every", "strength")}
    concepts = [[asdict(concept) for concept in selection.forget], selection.retain, vocabulary.templates]
    return Checkpoint.of_run(path, weights=encoder.sha256, concepts=concepts, parameters=parameters)
