"""Attacks on every method's edit: some concepts, each erased alone and attacked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from unlearn.attacks import examples, probes, projection_inverse, quantization, relearning, soft_prompt, words
from unlearn.attacks.finding import Finding, Verdict, mean
from unlearn.attacks.target import AttackTarget
from unlearn.bench.measurements import Measurements
from unlearn.bench.methods import Bench
from unlearn.bench.sets import SEED, forget_sets, known_concepts
from unlearn.bench.table import Table, machine, threads
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder, weights_checksum
from unlearn.clip.weights import with_weights
from unlearn.concepts.selection import select
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers.methods import COMPARED, Task
from unlearn.errors import ModelError
from unlearn.evaluation.intervals import bootstrap
from unlearn.files.schemas import RefusedError, TensorFile
from unlearn.finetuning.sources import BUNDLED, TrainingData
from unlearn.progress import run_to_end

CONCEPTS = 20
#: Images and views of them that relearning trains on.
EXAMPLES = 5
#: Attacked methods, of :data:`unlearn.erasers.methods.COMPARED`.
ATTACKED = ("none", "nullspace", "consistent", "ccup", "leace", "cliperase", "stacked")
#: Name of a model trained without the concepts instead of an edit: the best result that an erasure can hope for.
NEVER_TAUGHT = "never taught"
LABELS = {method: COMPARED[method].label for method in ATTACKED} | {NEVER_TAUGHT: "Never taught it"}
AttackFunction = Callable[[AttackTarget], Finding]
#: Titles of the table's columns, and the attack by someone whose images no method learned from.
ATTACKS: dict[str, AttackFunction] = {
    "name": partial(words.attack_words, kind="Its name"),
    "paraphrases": partial(words.attack_words, kind="Paraphrases"),
    "synonyms": partial(words.attack_words, kind="Synonyms"),
    "typos": partial(words.attack_words, kind="Typos"),
    "example": examples.attack_examples,
    "probe": partial(probes.attack_probe, place="Features after the projection"),
    "probe before the projection": partial(probes.attack_probe, place="Features before the projection"),
    "soft prompt": lambda target: run_to_end(soft_prompt.attack_soft_prompt(target))[0],
    "relearning": lambda target: run_to_end(relearning.attack_relearning(target, examples=(EXAMPLES,))),
    "int8 and fp16": quantization.attack_quantization,
    "inverse": projection_inverse.attack_projection_inverse,
}
#: The same attack by someone who has only the method's own images, on which the method hides the concept best.
SAME_IMAGES = {"probe, same pictures": ATTACKS["probe"]}


@dataclass(frozen=True)
class Recorded:
    """Recorded result of an attack on one concept: its value after the edit, and chance."""

    found: float
    chance: float
    verdict: str


@dataclass(frozen=True, eq=False)
class Opponents:
    """Methods and attackers, which learn from different images: hiding only a few images does not erase a concept.

    Attributes:
        encoder: the model before any edit.
        data: images that methods learn from, and that attacks are measured on.
        unrelated: images that attackers learn from.
        never_taught: a model of the same architecture trained without the concepts, or None.
    """

    encoder: OpenClipEncoder
    data: TrainingData
    unrelated: Gallery
    never_taught: OpenClipEncoder | None = None

    @classmethod
    def load(cls, model: str, images: str, never_taught: Path | None = None) -> Opponents:
        """Load the model, and split the data set's images; ``never_taught`` is a file with another model's weights.

        Raises:
            ModelError, ImageError: the model or the images cannot be loaded.
        """
        bench = Bench.load(model, images)
        methods, unrelated = halves(bench.data.train)
        other = None if never_taught is None else _with_weights_of(never_taught, bench.encoder)
        return cls(bench.encoder, replace(bench.data, train=methods), unrelated, other)

    def called(self, method: str) -> str:
        """Return the key of a measurement of ``method``; for the model without the concepts, with its weights' hash."""
        if method != NEVER_TAUGHT or self.never_taught is None:
            return method
        return f"{method} {weights_checksum(self.never_taught.model)[:8]}"

    def known_concepts(self) -> list[str]:
        """Return the concepts that the model knows and that both sides have images of."""
        shown = set(self.unrelated.concepts)
        return [name for name in known_concepts(self.encoder, self.data) if name in shown]

    def attack(self, method: str, concept: str, seed: int) -> dict[str, Any]:
        """Erase ``concept`` with ``method`` and attack it: returns each attack's value and whether it found a leak."""
        data = self.data
        selection = select(concept, vocabulary=data.vocabulary)
        if method == NEVER_TAUGHT and self.never_taught is not None:
            edited: TextImageEncoder = self.never_taught
        else:
            task = Task(self.encoder, selection, data.vocabulary, data.train, data.test, seed)
            erasure = run_to_end(COMPARED[method].fit(task))
            edited = erasure.apply(self.encoder)
        found: dict[str, Recorded] = {}
        for attacks, images in ((ATTACKS, self.unrelated), (SAME_IMAGES, data.train)):
            target = AttackTarget(selection.forget[0], self.encoder, edited, images, data.test, data.vocabulary, seed)
            run_to_end(target.prepare())
            found |= {name: _result(attack, target) for name, attack in attacks.items()}
        return {name: astuple(result) for name, result in found.items()}


def _with_weights_of(file: Path, encoder: OpenClipEncoder) -> OpenClipEncoder:
    """Load ``file``, a safetensors checkpoint, into a copy of ``encoder``.

    Raises:
        ModelError: the file cannot be read, or belongs to another architecture.
    """
    try:
        weights = TensorFile.open(file, allowed=("F32", "F16", "BF16", "I64")).load()
    except RefusedError as error:
        raise ModelError(f"{file} is not a safetensors file that can be read: {error}.") from error
    return with_weights(encoder, weights, name=NEVER_TAUGHT)


def _result(attack: AttackFunction, target: AttackTarget) -> Recorded:
    try:
        finding = attack(target)
    except ModelError:  # the attack does not apply to this kind of edit
        return Recorded(math.nan, math.nan, str(Verdict.NOT_APPLICABLE))
    return Recorded(finding.after, finding.chance, str(finding.verdict))


def halves(gallery: Gallery) -> tuple[Gallery, Gallery]:
    """Split into the first images of each concept and the rest; in the bundled gallery, each half is one style."""
    left = Counter(image.concept for image in gallery)
    half = {concept: n // 2 for concept, n in left.items()}
    parts: tuple[list[GalleryImage], list[GalleryImage]] = ([], [])
    for image in gallery:
        left[image.concept] -= 1
        parts[left[image.concept] < half[image.concept]].append(image)
    first, second = (Gallery(gallery.name, tuple(part)) for part in parts)
    return first, second


def run(
    quick: bool = False,
    *,
    model: str = "pocket",
    images: str = BUNDLED,
    resume: Path | None = None,
    never_taught: Path | None = None,
) -> tuple[Table, Table]:
    """Attack every method's edit of every concept; returns the means and, in a row each, what belongs to a mean.

    Args:
        quick: one concept, three methods.
        model, images: the model to edit, and the images.
        resume: a file of measurements; those in it are not repeated.
        never_taught: weights of the same architecture trained without the concepts, to attack beside the edits.
    """
    opponents = Opponents.load(model, images, never_taught)
    concepts = [name for (name,) in forget_sets(opponents.known_concepts(), 1, 1 if quick else CONCEPTS)]
    methods = ("none", "consistent", "ccup") if quick else ATTACKED
    if never_taught is not None:
        methods = (*methods, NEVER_TAUGHT)
    measurements = Measurements(resume)
    found: dict[str, list[dict[str, Any]]] = {method: [] for method in methods}
    with tqdm(total=len(methods) * len(concepts), desc="attacks", unit="edit") as bar:
        # By concept, so that the original's embeddings of an attacker's images are computed once for all methods.
        for seed, concept in enumerate(concepts):
            for method in methods:
                name = f"attacks {model} {images} {opponents.called(method)} {seed} {concept}"
                found[method].append(
                    measurements.get(name, lambda m=method, c=concept, s=seed: opponents.attack(m, c, s))  # type: ignore[misc]
                )
                bar.update()
    columns = (*ATTACKS, *SAME_IMAGES)
    shown = sum(image.concept in concepts for image in opponents.data.test)
    tallies = {(attack, method): Tally.of(runs, attack) for attack in columns for method, runs in found.items()}
    means = Table(
        name="attacks",
        columns=("method", *columns),
        rows=(
            *((LABELS[method], *(tallies[attack, method].mean for attack in columns)) for method in found),
            ("What knows nothing", *(_chance(list(chain(*found.values())), attack) for attack in columns)),
        ),
        note=(
            "Of pairs of a picture of the erased concept and another, in %: those that the attack tells apart. Words: "
            "by similarity, from whichever end of the order, and of several with whichever wording, tells the "
            "attacker's own pictures apart; example: by likeness to the mean of those; relearning: as words, on "
            f"average over 50 steps on {EXAMPLES} pictures, views of one or two included; inverse: the name, after the "
            "edit's factors were inverted. int8 and fp16: top-1 among about a hundred labels, beyond what unrounded "
            "weights give. What knows nothing: as many names of other things, before any edit; a coin; a probe on bare "
            f"pixels; made-up words. Mean over {len(concepts)} concepts, erased alone. Attackers learn "
            "from pictures that no method learned from (of the bundled gallery: another style), but for the last "
            f"column, and are measured on {shown} others. "
            f"Concepts, drawn with seed {SEED}: {', '.join(concepts)}. {_about(never_taught)}"
            f"{machine()}, {threads()}."
        ),
    )
    detail = Table(
        name="attacks-detail",
        columns=("attack", "method", "mean, %", "95 % from", "95 % to", "leaked", "concepts"),
        rows=tuple((attack, LABELS[method], *astuple(tally)) for (attack, method), tally in tallies.items()),
        note=(
            "The means above with their 95 % bootstrap intervals, and on how many of the concepts the attack leaked: "
            "kept more than half of what it had above what knows nothing. Concepts are fewer where they have no such "
            "words, or where the attack had hardly more before the edit."
        ),
    )
    return means, detail


def _about(never_taught: Path | None) -> str:
    return "" if never_taught is None else "Never taught it: trained again without their pictures and labels. "


@dataclass(frozen=True)
class Tally:
    """Cells for an attack on a method: its mean with the 95 % interval, and on how many of the concepts it leaked."""

    mean: str
    low: str = "–"
    high: str = "–"
    leaked: str = "–"
    concepts: str = "0"

    @classmethod
    def of(cls, runs: Sequence[dict[str, Any]], attack: str) -> Tally:
        results = [Recorded(*run[attack]) for run in runs]
        counted = [result for result in results if result.verdict != Verdict.NOT_APPLICABLE]
        if not counted:
            return cls("–")
        auroc = bootstrap(torch.tensor([100 * result.found for result in counted]), seed=SEED)
        leaked = sum(result.verdict == Verdict.LEAKED for result in counted)
        low, high = ("–" if math.isnan(end) else f"{end:.0f}" for end in (auroc.low, auroc.high))
        return cls(f"{auroc.mean:.0f}", low, high, str(leaked), str(len(counted)))


def _chance(runs: Sequence[dict[str, Any]], attack: str) -> str:
    """Return chance over the same concepts as the cells above."""
    results = [Recorded(*run[attack]) for run in runs]
    chances = [result.chance for result in results if result.verdict != Verdict.NOT_APPLICABLE]
    return f"{100 * mean(chances):.0f}" if chances else "–"
