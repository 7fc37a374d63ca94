"""Every method by name, each fitted the same way: what the command line offers and the comparison shows.

The names are there at once, for ``--help``: what takes torch is imported where a method is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unlearn.erasers.settings import UNUSED, BaselineSettings, CCUPSettings, CLIPEraseSettings
from unlearn.erasers.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL
from unlearn.errors import ParameterError, require_choice

if TYPE_CHECKING:
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import AnyErasure, Erasure
    from unlearn.jobs import Progress

    #: A method at work: it reports as it goes, and returns the erasure.
    Fitting = Generator[Progress, None, AnyErasure]


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
        base_erasure: what CCUP is put on top of.
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
    """A way to erase.

    Attributes:
        label: its name on screen.
        variant: what its erasure makes of a model, one of :mod:`unlearn.erasers.variants`.
        make: the erasure of a task with the settings given; of a method that trains, the run that returns it.
        settings: what it may be asked, by the erasers that it is made of.
        fixed: settings that make it this method.
        unused: those that change nothing here.
        trains: whether it takes a minute or two; the others are there at once.
    """

    label: str
    variant: str
    make: Callable[..., Any]
    settings: tuple[type[CCUPSettings | CLIPEraseSettings | BaselineSettings], ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    trains: bool = False

    def takes(self, given: Mapping[str, Any] = MappingProxyType({})) -> tuple[str, ...]:
        """The settings that have an effect beside those ``given``; the seed is the task's."""
        names = (setting.name for settings in self.settings for setting in fields(settings))
        unused = UNUSED.get({**given, **self.fixed}.get("form", ""), ())
        return tuple(name for name in names if name not in (*self.fixed, *self.unused, *unused, "seed"))

    def named(self, label: str, **fixed: Any) -> Method:
        """The same method with some of its settings ``fixed``, under a name of its own."""
        return replace(self, label=label, fixed={**self.fixed, **fixed})

    def fit(self, task: Task, **given: Any) -> Fitting:
        """Fit it to ``task`` with the settings ``given``, the others as they are by default.

        Raises:
            ParameterError: one of them has no effect, or is outside of what is allowed.
            PictureError: it learns from pictures, and there are none of a concept.
            ModelError: it cannot edit this model.
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
    """Fit the method that :data:`METHODS` calls ``method``, as :meth:`Method.fit` does.

    Raises:
        ParameterError: there is no such method.
    """
    return METHODS[require_choice("method", method, tuple(METHODS))].fit(task, **given)


def in_words(setting: str) -> str:
    """A setting as messages and the command line call it."""
    return {"lam": "lambda"}.get(setting, setting.replace("_", " "))


def _at_once(make: Callable[[], AnyErasure]) -> Fitting:
    """A run that ends at its first step."""
    yield from ()
    return make()


def _baseline(task: Task, **given: Any) -> Erasure[BaselineSettings]:
    from unlearn.erasers import baselines

    settings = BaselineSettings(**given, seed=task.seed)
    return baselines.erase(task.encoder, task.selection, settings, training=task.training)


def _ccup(task: Task, **given: Any) -> AnyErasure:
    from unlearn.erasers import ccup

    settings, vocabulary = CCUPSettings(**given), task.vocabulary
    if task.base_erasure is None:
        return ccup.erase(task.encoder, task.selection, settings, vocabulary=vocabulary)
    return ccup.on_top(task.encoder, task.base_erasure, settings, selection=task.selection, vocabulary=vocabulary)


def _cliperase(task: Task, **given: Any) -> Generator[Progress, None, Erasure[CLIPEraseSettings]]:
    from unlearn.erasers import cliperase

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
    from unlearn.erasers import ccup

    own = {name: given.pop(name) for name in METHODS["ccup"].takes() if name in given}
    settings = CCUPSettings(**own)
    tuned = yield from _cliperase(task, **given)
    return ccup.on_top(task.encoder, tuned, settings, vocabulary=task.vocabulary)


METHODS = {
    "none": Method("No edit", ORIGINAL, _baseline, (BaselineSettings,), {"kind": "none"}, ("side", "strength")),
    "random": Method("Random directions", BASELINE, _baseline, (BaselineSettings,), {"kind": "random"}),
    "leace": Method("LEACE", BASELINE, _baseline, (BaselineSettings,), {"kind": "leace"}),
    "ccup": Method("CCUP", CCUP, _ccup, (CCUPSettings,)),
    "cliperase": Method("CLIPErase", CLIPERASE, _cliperase, (CLIPEraseSettings,), trains=True),
    "stacked": Method("CLIPErase + CCUP", BOTH, _stacked, (CLIPEraseSettings, CCUPSettings), trains=True),
}
_CCUP, _CLIPERASE = METHODS["ccup"], METHODS["cliperase"]
#: Rows of comparisons and benchmarks: every method, CCUP in each form, CLIPErase with and without its parts.
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
