"""Comparison of every method on the same sets of concepts: forgetting, retention, interference, and cost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from unlearn.bench.measurements import Measurements
from unlearn.bench.sets import SEED, forget_sets, known_concepts
from unlearn.bench.table import Table, machine, threads
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder, weights_checksum
from unlearn.clip.loading import load_clip
from unlearn.concepts.selection import select
from unlearn.data.gallery import Gallery, restore_features
from unlearn.erasers.methods import COMPARED, Method, Task
from unlearn.errors import JobError
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.evaluation.quality import evaluate_edit
from unlearn.evaluation.zero_shot import true_label_ranks
from unlearn.finetuning.sources import BUNDLED, training_data
from unlearn.progress import run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unlearn.erasers.erasure import AnyErasure
    from unlearn.finetuning.sources import TrainingData

logger = logging.getLogger(__name__)

#: Concepts erased at once, and number of sets.
PLAN = {1: 20, 5: 5, 20: 6, 100: 2}
#: Neighbours measured for each single concept, and the fall of top-1 that counts as hurt.
NEIGHBOURS, HURT = 6, 0.05
#: Columns of what is left of the erased concepts and of the cost to the others.
ACCURACY = (
    "concepts erased",
    "forget top-1, %",
    "forget top-1 among five, %",
    "retain top-1, change, points",
    "lowest",
    "highest",
)
ACCURACY_NOTE = (
    "Forget top-1: all labels offered. Among five: each label with four others beside it, mean over all fours; chance "
    "is 20. Retain: images of all other concepts, mean, lowest and highest over the sets."
)
#: Rows, sizes and columns of the README's table.
SUMMARY, SHORT = ("none", "nullspace", "consistent", "ccup", "leace", "cliperase"), (1, 20)
SHORT_PARTS = ("forget top-1, %", "retain top-1, change, points")
#: Numbers that the papers print, for runs with their settings.
PUBLISHED = {
    "cifar100": "Published (CLIPErase, arXiv 2410.23330): forget 86.08 → 0.00 %, retain 72.85 → 90.99 %.",
}


@dataclass(frozen=True, eq=False)
class Bench:
    """Model and images that all methods are measured on."""

    encoder: OpenClipEncoder
    data: TrainingData
    checksum: str

    @classmethod
    def load(cls, model: str, images: str) -> Bench:
        """Load the model and the images.

        Raises:
            ModelError, ImageError: the model or the images cannot be loaded.
        """
        encoder = load_clip(model)
        restore_features(encoder)
        data = training_data(images, ())
        for notice in data.notices:
            logger.warning(notice)
        return cls(encoder, data, weights_checksum(encoder.model))

    def measure(self, method: Method, forget: Sequence[str], seed: int) -> dict[str, Any]:
        """Erase ``forget`` with ``method`` and measure before and after; accuracies as fractions.

        Raises:
            JobError: the base model was changed.
        """
        selection = select(forget, vocabulary=self.data.vocabulary)
        task = Task(self.encoder, selection, self.data.vocabulary, self.data.train, self.data.test, seed)
        started = time.perf_counter()
        with peak_memory() as peak:
            erasure = run_to_end(method.fit(task))
        seconds = time.perf_counter() - started
        edited = erasure.apply(self.encoder)
        quality = evaluate_edit(self.encoder, edited, self.data.test, forget=forget, vocabulary=self.data.vocabulary)
        before, after = quality.recall["text_to_image"]["retain"][10].means
        measured = {
            "forget": [*quality.top1["forget"].means],
            "retain": [*quality.top1["retain"].means],
            "among_few": quality.among_few.means[1],
            "harmonic_mean": quality.harmonic_mean,
            "recall": after - before,
            "seconds": seconds,
            "peak_mib": peak(),
            "bytes": _size(erasure),
        }
        if len(forget) == 1:
            measured["neighbours"] = self._falls(edited, forget[0])
        if weights_checksum(self.encoder.model) != self.checksum:
            raise JobError("The base model's weights changed.")
        return measured

    def _falls(self, edited: TextImageEncoder, concept: str) -> list[float]:
        """Return the fall of top-1 of each of the concept's neighbours, on all of their images."""
        near = [n.name for n in nearest_neighbours(self.encoder, [concept], self.data.vocabulary, NEIGHBOURS)]
        before, after = (self._hits(model, near) for model in (self.encoder, edited))
        return [before[name] - after[name] for name in near if name in before]

    def _hits(self, model: TextImageEncoder, names: Sequence[str]) -> dict[str, float]:
        """Return top-1 on each concept's images in any style, training images included."""
        hits = torch.cat([self._first(model, gallery) for gallery in (self.data.test, self.data.train)])
        targets = torch.cat([gallery.targets(names) for gallery in (self.data.test, self.data.train)])
        return {name: float(hits[targets == i].float().mean()) for i, name in enumerate(names) if i in targets}

    def _first(self, model: TextImageEncoder, gallery: Gallery) -> Tensor:
        """Return whether each image's own label comes first, (n,)."""
        vocabulary = self.data.vocabulary
        classes = model.text_features(vocabulary.names, vocabulary.templates)
        return true_label_ranks(model.image_features(gallery), classes, gallery.targets(vocabulary.names)) < 1


def run(
    quick: bool = False, *, model: str = "pocket", images: str = BUNDLED, resume: Path | None = None
) -> tuple[Table, ...]:
    """Measure every method on every set; with ``resume``, results in that file are not measured again."""
    bench = Bench.load(model, images)
    known = known_concepts(bench.encoder, bench.data)
    plan = {1: 2, 5: 1} if quick else {size: count for size, count in PLAN.items() if size < len(known)}
    sets = {size: forget_sets(known, size, count) for size, count in plan.items()}
    measurements = Measurements(resume)
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    with tqdm(total=len(COMPARED) * sum(plan.values()), desc="methods", unit="erasure") as bar:
        for method in COMPARED:
            found[method] = {size: [] for size in sets}
            for size, chosen in sets.items():
                for seed, forget in enumerate(chosen):
                    name = f"{model} {images} {method} {seed} {' | '.join(forget)}"
                    found[method][size].append(
                        measurements.get(name, lambda f=forget, s=seed, m=method: bench.measure(COMPARED[m], f, s))  # type: ignore[misc]
                    )
                    bar.update()
    return _tables(bench, images, len(known), found)


def _tables(
    bench: Bench, images: str, known: int, found: dict[str, dict[int, list[dict[str, Any]]]]
) -> tuple[Table, ...]:
    """Return the tables of accuracy by method and size, costs by method, and the README's selected columns."""
    first = next(iter(found.values()))
    sizes_and_counts = ", ".join(f"{len(runs)} of {size}" for size, runs in first.items())
    model = (
        f"{bench.encoder.name}, {len(bench.data.test)} images that no method saw, {len(bench.data.vocabulary.names)} "
        f"labels offered, erased ones included; {sizes_and_counts} concepts, drawn with seed {SEED} from the {known} "
        f"that the model knows. {machine()}, {threads()}."
    )
    labels = {method: COMPARED[method].label for method in found}
    return (
        Table(
            name="methods",
            columns=("method", *ACCURACY),
            rows=tuple(
                (labels[method], str(size), *cells(runs))
                for method, by_size in found.items()
                for size, runs in by_size.items()
            ),
            note=f"{ACCURACY_NOTE} {model} {PUBLISHED.get(images, '')}".strip(),
        ),
        Table(
            name="methods-cost",
            columns=(
                "method",
                "neighbours hurt",
                "neighbours",
                "harmonic mean",
                "recall@10, change, points",
                "seconds",
                "memory, MiB",
                "edit, kB",
            ),
            rows=tuple((labels[method], *_costs(by_size)) for method, by_size in found.items()),
            note=(
                f"Neighbours hurt: of the {NEIGHBOURS} nearest to each single concept, those whose top-1 on all their "
                f"images, those to train on included, fell by more than {HURT:.0%}. Harmonic mean: of forgetting and "
                "retention, over all sets. Recall@10: text → image retrieval of the retain set. Seconds: median to "
                "erase one concept, evaluation apart. Memory: most that this took beside the model."
            ),
        ),
        Table(
            name="summary",
            columns=("method", *(f"{size} erased: {part}" for size in SHORT for part in SHORT_PARTS)),
            rows=tuple(
                (labels[method], *(cells(found[method][size])[i] for size in SHORT for i in (0, 2)))
                for method in SUMMARY
                if method in found and set(SHORT) <= set(found[method])
            ),
            note=f"Mean over the sets. {model}",
        ),
    )


def _costs(found: dict[int, list[dict[str, Any]]]) -> tuple[str, ...]:
    everything = [run for runs in found.values() for run in runs]
    single = found[1]
    return (
        *hurt(single),
        f"{fmean(run['harmonic_mean'] for run in everything):.3f}",
        f"{100 * fmean(run['recall'] for run in everything):+.1f}",
        f"{median(run['seconds'] for run in single):.2g}",
        f"{max(run['peak_mib'] for run in single):.0f}",
        f"{median(run['bytes'] for run in single) / 1000:,.0f}",
    )


def hurt(single: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return how many neighbours of single erased concepts fell by more than :data:`HURT`, and of how many."""
    falls = [fall for run in single for fall in run["neighbours"]]
    return str(sum(fall > HURT for fall in falls)), str(len(falls))


def cells(runs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the results for sets of one size, the columns of :data:`ACCURACY` without the size."""
    moved = [100 * (run["retain"][1] - run["retain"][0]) for run in runs]
    left, few = (_percent(values) for values in ([r["forget"][1] for r in runs], [r["among_few"] for r in runs]))
    return left, few, f"{round(fmean(moved), 1) + 0.0:+.1f}", f"{min(moved):+.1f}", f"{max(moved):+.1f}"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * fmean(values):.1f}"


def _size(erasure: AnyErasure) -> int:
    return sum(tensor.nbytes for tensor in erasure.tensors.values())


@contextmanager
def peak_memory(every: float = 0.02) -> Iterator[Callable[[], float]]:
    """Yield a function that returns, after the block, the peak memory in MiB above that at the start."""
    process, done = psutil.Process(), threading.Event()
    before = most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not done.wait(every):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: (most - before) / 2**20
    finally:
        most = max(most, process.memory_info().rss)
        done.set()
        watcher.join()
