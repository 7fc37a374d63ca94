"""Registry of all erasing methods by name, for :func:`unlearn.erase` and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import Selection, Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.erasers import baselines, ccup, cliperase
from unlearn.erasers.erasure import AnyErasure, Erasure
from unlearn.erasers.settings import BaselineSettings, CCUPSettings, CLIPEraseSettings
from unlearn.erasers.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL
from unlearn.errors import ParameterError, require_choice
from unlearn.options import in_words, options_of
from unlearn.progress import Progress

#: A run of a method: a generator that yields progress and returns the erasure.
Fitting = Generator[Progress, None, AnyErasure]


@dataclass(frozen=True, eq=False)
class Task:
    """Inputs of one erasure, common to all methods.

    Attributes:
        encoder: the model; it is not changed.
        selection: forget and retain set.
        vocabulary: the labels offered.
        training: labelled images for the methods that learn from images.
        probe: images on which CLIPErase measures accuracy while training, none of them from ``training``.
        seed: random seed of the methods that draw at random.
        base_erasure: erasure that CCUP is put on top of.
        checkpoint: file to save a run to, and to resume it from.
    """

    encoder: OpenClipEncoder
    selection: Selection
    vocabulary: Vocabulary
    training: Gallery
    probe: Gallery
    seed: int = 0
    base_erasure: Erasure[CLIPEraseSettings] | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Method:
    """An erasing method and its settings.

    Attributes:
        label: its name on screen.
        variant: name of the edited model, one of :mod:`unlearn.erasers.variants`.
        make: function of a task and settings that returns the erasure or, if the method trains, the run that returns
            the erasure.
        settings: the settings dataclass of each eraser that the method consists of.
        fixed: settings whose values define this method.
        unused: settings that have no effect on this method.
        trains: whether it trains for a minute or two; the other methods finish at once.
    """

    label: str
    variant: str
    make: Callable[..., Any]
    settings: tuple[type[CCUPSettings | CLIPEraseSettings | BaselineSettings], ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    trains: bool = False

    def takes(self, given: Mapping[str, Any] = MappingProxyType({})) -> tuple[str, ...]:
        """Return the settings that have an effect when ``given`` are set, except the seed, which the task holds."""
        beside, left_out = {**given, **self.fixed}, (*self.fixed, *self.unused, "seed")
        known = (option for settings in self.settings for option in options_of(settings).values())
        return tuple(o.name for o in known if o.name not in left_out and o.has_effect(beside))

    def named(self, label: str, **fixed: Any) -> Method:
        """Return this method under another label, with the settings ``fixed``."""
        return replace(self, label=label, fixed={**self.fixed, **fixed})

    def fit(self, task: Task, **given: Any) -> Fitting:
        """Fit the method to ``task`` with the settings ``given`` and defaults for the others.

        Raises:
            ParameterError: a setting has no effect, or its value is not allowed.
            ImageError: the method learns from images, and a concept has none.
            ModelError: the method cannot edit this model.
        """
        takes = self.takes(given)
        if useless := [name for name in given if name not in takes]:
            form = f" with form {given['form']}" if useless[0] in self.takes() else ""
            raise ParameterError(
                f"{in_words(useless[0])} has no effect on “{self.label}”{form}; "
                f"what has: {', '.join(map(in_words, takes)) or 'nothing'}."
            )
        if task.checkpoint and not self.trains:
            raise ParameterError(f"checkpoint has no effect on “{self.label}”, which is there at once.")
        if task.base_erasure and self.settings != (CCUPSettings,):
            raise ParameterError(f"“{self.label}” cannot be put on top of an erasure; CCUP can, in any of its forms.")
        make = partial(self.make, task, **self.fixed, **given)
        run: Fitting = make() if self.trains else _at_once(make)
        return run


def fit(method: str, task: Task, **given: Any) -> Fitting:
    """Fit the method named ``method`` in :data:`METHODS`, as :meth:`Method.fit` does.

    Raises:
        ParameterError: there is no such method.
    """
    return METHODS[require_choice("method", method, tuple(METHODS))].fit(task, **given)


def _at_once(make: Callable[[], AnyErasure]) -> Fitting:
    """Return a run that yields no progress and returns the erasure."""
    yield from ()
    return make()


def _baseline(task: Task, **given: Any) -> Erasure[BaselineSettings]:
    settings = BaselineSettings(**given, seed=task.seed)
    return baselines.erase(task.encoder, task.selection, settings, training=task.training)


def _ccup(task: Task, **given: Any) -> AnyErasure:
    settings, vocabulary = CCUPSettings(**given), task.vocabulary
    if task.base_erasure is None:
        return ccup.erase(task.encoder, task.selection, settings, vocabulary=vocabulary)
    return ccup.on_top(task.encoder, task.base_erasure, settings, selection=task.selection, vocabulary=vocabulary)


def _cliperase(task: Task, **given: Any) -> Generator[Progress, None, Erasure[CLIPEraseSettings]]:
    return cliperase.train(
        task.encoder,
        task.selection,
        CLIPEraseSettings.of(seed=task.seed, **given),
        galleries=[task.training],
        probe=task.probe,
        vocabulary=task.vocabulary,
        checkpoint=task.checkpoint,
    )


def _stacked(task: Task, **given: Any) -> Fitting:
    settings = CCUPSettings(**_those_of(METHODS["ccup"], given))
    tuned = yield from _cliperase(task, **_those_of(METHODS["cliperase"], given))
    return ccup.on_top(task.encoder, tuned, settings, vocabulary=task.vocabulary)


def _those_of(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among ``given`` that ``method`` takes; both parts of a stack take the strength."""
    return {name: value for name, value in given.items() if name in method.takes()}


METHODS = {
    "none": Method("No edit", ORIGINAL, _baseline, (BaselineSettings,), {"kind": "none"}, ("side", "strength")),
    "random": Method("Random directions", BASELINE, _baseline, (BaselineSettings,), {"kind": "random"}),
    "leace": Method("LEACE", BASELINE, _baseline, (BaselineSettings,), {"kind": "leace"}),
    "ccup": Method("CCUP", CCUP, _ccup, (CCUPSettings,)),
    "cliperase": Method("CLIPErase", CLIPERASE, _cliperase, (CLIPEraseSettings,), trains=True),
    "stacked": Method("CLIPErase + CCUP", BOTH, _stacked, (CLIPEraseSettings, CCUPSettings), trains=True),
}
_CCUP, _CLIPERASE = METHODS["ccup"], METHODS["cliperase"]
#: Rows of comparisons and benchmarks: every method, CCUP in each form, CLIPErase with its losses added one by one.
COMPARED = {
    "none": METHODS["none"],
    "random": METHODS["random"],
    "nullspace": _CCUP.named("CCUP, nullspace (paper)", form="nullspace"),
    "consistent": _CCUP.named("CCUP, consistent (paper)", form="consistent"),
    "ccup": _CCUP.named("CCUP, paired (default)", form="paired"),
    "leace": METHODS["leace"],
    "forgetting_only": _CLIPERASE.named("CLIPErase, forgetting alone", retention_weight=0.0, consistency_weight=0.0),
    "without_consistency": _CLIPERASE.named("CLIPErase, no consistency", consistency_weight=0.0),
    "gradient_ascent": _CLIPERASE.named("CLIPErase, gradient ascent", forgetting="gradient_ascent"),
    "cliperase": _CLIPERASE.named("CLIPErase (paper)"),
    "stacked": METHODS["stacked"],
}
