"""Results of each class: top-1 of every compared model, and the labels that the last one gives the class's images."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from unlearn.clip.embeddings import says_nothing, similarity
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.zero_shot import evaluate_zero_shot

#: Spreadsheet programs run a cell that starts with one of these as a formula.
FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True)
class ClassResult:
    """Zero-shot result on the images of one class.

    Attributes:
        name: the class.
        n: number of its images.
        top1: share of them whose own label comes first, by model.
        called: how many of them the last model gives each label, most frequent first; an image of which an edit has
            left nothing gets none.
    """

    name: str
    n: int
    top1: Mapping[str, float]
    called: Mapping[str, int]

    @property
    def changed(self) -> bool:
        """Return whether the top-1 of the models differs on this class."""
        return len(set(self.top1.values())) > 1


@dataclass(frozen=True)
class ClassTable:
    """The results of all classes: those erased first, then those that lost most from the first model to the last."""

    results: tuple[ClassResult, ...]

    @property
    def csv(self) -> str:
        """The table as CSV: class, n, top-1 by model as fractions, and the labels that its images get."""
        out = io.StringIO()
        table = csv.writer(out)
        models = list(self.results[0].top1) if self.results else []
        table.writerow(["class", "n", *(f"top-1 {model}" for model in models), "called"])
        for result in self.results:
            called = ", ".join(f"{name} {count}" for name, count in result.called.items())
            name, called = (f"'{text}" if text.startswith(FORMULA) else text for text in (result.name, called))
            table.writerow([name, result.n, *(f"{top1:.4f}" for top1 in result.top1.values()), called])
        return out.getvalue()


def per_class(
    models: Mapping[str, TextImageEncoder], gallery: Gallery, forget: Collection[str], vocabulary: Vocabulary
) -> ClassTable:
    """Measure ``models`` on each class of ``gallery``, with every label of ``vocabulary`` offered; ``forget`` first."""
    reports = {name: evaluate_zero_shot(model, gallery, vocabulary=vocabulary) for name, model in models.items()}
    called = _called(list(models.values())[-1], gallery, vocabulary)
    accuracies = {name: report.per_class for name, report in reports.items()}
    results = [
        ClassResult(
            name,
            accuracy.n,
            {model: of_class[name].top1 for model, of_class in accuracies.items()},
            dict(called[name].most_common()),
        )
        for name, accuracy in next(iter(accuracies.values())).items()
    ]
    erased = {name.casefold() for name in forget}

    def order(result: ClassResult) -> tuple[bool, float]:
        values = list(result.top1.values())
        return result.name.casefold() not in erased, values[-1] - values[0]

    return ClassTable(tuple(sorted(results, key=order)))


def _called(model: TextImageEncoder, gallery: Gallery, vocabulary: Vocabulary) -> dict[str, Counter[str]]:
    """Count the labels that ``model`` puts first, by the class of the image."""
    scores = similarity(model.image_features(gallery), model.text_features(vocabulary.names, vocabulary.templates))
    called: dict[str, Counter[str]] = {name: Counter() for name in vocabulary.names}
    targets, first = gallery.targets(vocabulary.names), scores.argmax(dim=1)
    named = (targets >= 0) & ~says_nothing(scores)
    for target, best in zip(targets[named].tolist(), first[named].tolist(), strict=True):
        called[vocabulary.names[target]][vocabulary.names[best]] += 1
    return called
