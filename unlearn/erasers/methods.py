"""Every method by name, each fitted the same way: what the comparison shows and the command line offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearn.concepts import Selection, Vocabulary
from unlearn.encoders import OpenClipEncoder
from unlearn.erasers import baselines, ccup, cliperase, stacked
from unlearn.errors import require_choice
from unlearn.gallery import Gallery
from unlearn.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL

if TYPE_CHECKING:
    from unlearn.export.edit_file import Erasure

Fitting = Generator[cliperase.Progress, None, "Erasure"]


@dataclass(frozen=True, eq=False)
class Task:
    """One erasure to be made.

    Attributes:
        encoder: the model; it is not changed.
        selection: forget and retain set.
        vocabulary: the labels in use.
        training: labelled pictures for the methods that learn from them.
        probe: pictures that CLIPErase measures itself on, none of those.
        seed: of the methods that draw.
    """

    encoder: OpenClipEncoder
    selection: Selection
    vocabulary: Vocabulary
    training: Gallery
    probe: Gallery
    seed: int = 0


@dataclass(frozen=True)
class Method:
    """A method by its name on screen; ``fit`` reports as it goes and returns an erasure that makes a ``variant``."""

    label: str
    variant: str
    fit: Callable[[Task], Fitting]
    #: Whether it trains for a minute or two; the others are there at once.
    trains: bool = False


def fit(method: str, task: Task) -> Fitting:
    """Fit the method that :data:`METHODS` calls ``method``.

    Raises:
        ParameterError: there is no such method.
        PictureError: it learns from pictures, and there are none of a concept.
        ModelError: it cannot edit this model.
    """
    return METHODS[require_choice("method", method, tuple(METHODS))].fit(task)


def _at_once(make: Callable[[Task], Erasure]) -> Callable[[Task], Fitting]:
    """A method that has nothing to report on its way."""

    def run(task: Task) -> Fitting:
        yield from ()
        return make(task)

    return run


def _baseline(kind: str) -> Callable[[Task], Fitting]:
    return _at_once(
        lambda task: baselines.erase(
            task.encoder, task.selection, baselines.Settings(kind, seed=task.seed), training=task.training
        )
    )


def _ccup(**given: Any) -> Callable[[Task], Fitting]:
    return _at_once(
        lambda task: ccup.erase(task.encoder, task.selection, ccup.Settings(**given), vocabulary=task.vocabulary)
    )


def _train(task: Task, **given: Any) -> Generator[cliperase.Progress, None, cliperase.Erasure]:
    return cliperase.train(
        task.encoder,
        task.selection,
        cliperase.Settings.of(seed=task.seed, **given),
        galleries=[task.training],
        probe=task.probe,
        vocabulary=task.vocabulary,
    )


def _cliperase(**given: Any) -> Callable[[Task], Fitting]:
    return lambda task: _train(task, **given)


def _stacked(task: Task) -> Fitting:
    tuned = yield from _train(task)
    return stacked.on_top(task.encoder, tuned, vocabulary=task.vocabulary)


METHODS = {
    "none": Method("No edit", ORIGINAL, _baseline("none")),
    "random": Method("Random directions", BASELINE, _baseline("random")),
    "nullspace": Method("CCUP, nullspace (paper)", CCUP, _ccup(mode="nullspace")),
    "consistent": Method("CCUP, consistent (paper)", CCUP, _ccup(mode="consistent")),
    "ccup": Method("CCUP, paired (default)", CCUP, _ccup()),
    "leace": Method("LEACE", BASELINE, _baseline("leace")),
    "forgetting_only": Method(
        "CLIPErase, forgetting alone", CLIPERASE, _cliperase(retention_weight=0.0, consistency_weight=0.0), trains=True
    ),
    "without_consistency": Method(
        "CLIPErase, no consistency", CLIPERASE, _cliperase(consistency_weight=0.0), trains=True
    ),
    "gradient_ascent": Method(
        "CLIPErase, gradient ascent", CLIPERASE, _cliperase(forgetting="gradient_ascent"), trains=True
    ),
    "cliperase": Method("CLIPErase (paper)", CLIPERASE, _cliperase(), trains=True),
    "stacked": Method("CLIPErase + CCUP", BOTH, _stacked, trains=True),
}
