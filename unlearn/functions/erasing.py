"""Erase concepts from a model, and keep the erasure as a folder or a file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from unlearn.attacks.finding import Finding
from unlearn.caching import ObjectCache
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.concepts.named_vocabularies import named_vocabulary, vocabulary_argument, vocabulary_text
from unlearn.concepts.selection import Vocabulary, parse_names, select
from unlearn.data.gallery import restore_features
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.methods import METHODS, Task, fit
from unlearn.erasers.settings import BaselineSettings, CCUPSettings, CLIPEraseSettings
from unlearn.errors import ModelError, ParameterError, require_choice, require_whole
from unlearn.evaluation.as_json import before_and_after
from unlearn.export.edit_file import record_of, require_base
from unlearn.export.hub import push, require_repository
from unlearn.export.saved import load_recorded, require_own, save_erasure
from unlearn.export.snippets import snippets_of
from unlearn.export.vanished import live_only
from unlearn.files.writing import require_file
from unlearn.finetuning.prepared import encoding
from unlearn.finetuning.sources import BUNDLED, training_data
from unlearn.functions.arguments import (
    AnyMethod,
    BaselineArguments,
    CCUPArguments,
    CLIPEraseArguments,
    Names,
    OnNotice,
    OnProgress,
    StackedArguments,
    announce,
)
from unlearn.functions.recorded import RecordedErasure
from unlearn.options import options_of
from unlearn.progress import run_to_end

#: True for models with shipped embeddings.
_shipped: ObjectCache[bool] = ObjectCache(most=1)
Format = Literal["open_clip", "transformers"]


@dataclass(frozen=True)
class Saved:
    """Files that :func:`save` wrote.

    Attributes:
        folder: the folder of the files.
        formats: formats of the whole model that were written beside the edit and its record.
        notices: reasons why the whole model was not written, if it was not.
        snippets: code that uses each file without this package.
        address: address of the repository on a hub, if the files were pushed to one.
    """

    folder: Path
    formats: tuple[str, ...]
    notices: tuple[str, ...] = ()
    snippets: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what was written, as JSON."""
        written = {"out": str(self.folder), "formats": list(self.formats), "notices": list(self.notices)}
        return written | ({"address": self.address} if self.address else {})


@overload
def erase(
    clip: OpenClipEncoder, forget: Names, *, method: Literal["ccup"] = ..., **options: Unpack[CCUPArguments]
) -> RecordedErasure: ...
@overload
def erase(
    clip: OpenClipEncoder, forget: Names, *, method: Literal["cliperase"], **options: Unpack[CLIPEraseArguments]
) -> RecordedErasure: ...
@overload
def erase(
    clip: OpenClipEncoder, forget: Names, *, method: Literal["stacked"], **options: Unpack[StackedArguments]
) -> RecordedErasure: ...
@overload
def erase(
    clip: OpenClipEncoder, forget: Names, *, method: Literal["random", "leace"], **options: Unpack[BaselineArguments]
) -> RecordedErasure: ...
@overload
def erase(
    clip: OpenClipEncoder, forget: Names, *, method: Literal["none"], **options: Unpack[AnyMethod]
) -> RecordedErasure: ...
def erase(
    clip: OpenClipEncoder,
    forget: Names,
    *,
    retain: Names | None = None,
    method: str = "ccup",
    images: str | Path = BUNDLED,
    vocabulary: Names | Path | None = None,
    seed: int = 0,
    on: RecordedErasure | None = None,
    checkpoint: str | Path | None = None,
    measure: bool = False,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    **options: Any,
) -> RecordedErasure:
    """Erase concepts: ``erase(load_clip("pocket"), ["guitar"], strength=0.8).apply(clip)`` is the edited model.

    Args:
        clip: the model, as :func:`unlearn.load_clip` returns it; it is not changed.
        forget: concepts to erase, a list or one string with commas between them.
        retain: concepts to keep; the rest of the vocabulary by default.
        method: how to erase: ``ccup``, a closed form that needs no images; ``cliperase``, which fine-tunes;
            ``stacked``, CCUP on top of CLIPErase; or a baseline, ``leace``, ``random`` or ``none``.
        images: labelled images to learn from and to measure on: ``"bundled"``, a folder with one subfolder a class,
            or a public data set by name, such as ``"cifar100"``. CCUP needs none.
        vocabulary: labels offered and retained: ``"bundled"``, ``"imagenet"``, ``"cifar100"``, a file, or a list of
            words; by default those of ``images``.
        seed: random seed, for example of CLIPErase's batches.
        on: an erasure by CLIPErase to put CCUP on top of.
        checkpoint: file to save a run of CLIPErase to, and to resume it from.
        measure: whether to measure accuracy before and after on images held out, for :attr:`RecordedErasure.metrics`.
        on_progress: called with each :class:`unlearn.progress.Progress`, which has ``done``, ``total`` and ``text``.
        on_notice: called at once with each sentence of :attr:`RecordedErasure.notices` and with notices about
            ``images``.
        **options: options of the method, see below.

    Raises:
        ConceptError, ParameterError, ImageError: an argument cannot be used; the message says what is allowed.
        ModelError: the method cannot edit this model.
    """
    base = unedited(clip)
    require_choice("method", method, tuple(METHODS))
    require_whole("seed", seed, lowest=0, largest=2**31 - 1)
    if checkpoint is not None:
        require_file(Path(checkpoint))
    show = on_progress or (lambda progress: None)
    names = parse_names(forget)
    data = training_data(str(images), names)
    words = data.vocabulary if vocabulary is None else vocabulary_of(vocabulary)
    selection = select(names, retain, vocabulary=words)
    known = dict.fromkeys((*data.notices, *selection.notices))
    announce(known, on_notice)
    tuned = _tuned_part(on)
    task = Task(base, selection, words, data.train, data.test, seed, tuned, Path(checkpoint) if checkpoint else None)
    erasure = run_to_end(fit(method, task, **options), show)
    announce((notice for notice in erasure.selection.notices if notice not in known), on_notice)
    metrics: dict[str, Any] = {}
    if measure:
        edited = erasure.apply(base)
        for model in (base, edited):
            model.image_features(data.test, watch=lambda done, total: show(encoding(done, total)))
        metrics = before_and_after(base, edited, data.test, erasure.selection.forget_names, words)
    own_classes = vocabulary is None and tuned is None and str(images) != BUNDLED
    record = record_of(
        base,
        erasure,
        metrics=metrics,
        seed=seed,
        vocabulary="" if own_classes else vocabulary_text(words),
        images=on.record.images if on else str(images),
    )
    return RecordedErasure(erasure, record, words)


def save(
    erasure: RecordedErasure,
    folder: str | Path,
    clip: OpenClipEncoder,
    *,
    formats: Sequence[Format] | None = None,
    findings: Sequence[Finding] = (),
    push_to_hub: str | None = None,
) -> Saved:
    """Write an erasure to a folder: ``edit.safetensors``, ``erasure.json``, a model card and the whole edited model.

    Args:
        erasure: result of :func:`erase` or :func:`load`.
        folder: folder to write to; files of an earlier erasure in it are replaced.
        clip: the unedited model that the erasure was made from.
        formats: formats of the whole model, ``open_clip`` and ``transformers``; by default ``open_clip`` if weights can
            hold the edit, otherwise none.
        findings: findings of :func:`unlearn.audit` for the model card.
        push_to_hub: repository on a hub, ``"ORG/REPO"``, to upload the files to; it is made if needed.

    Raises:
        ParameterError: the folder cannot be written to, or holds weights that no erasure wrote; or nobody is logged in.
        ModelError: a format cannot hold the model or the edit, or the hub cannot be written to.
        ErasureFileError: the erasure was made from other weights than ``clip``'s.
    """
    base, out, record = unedited(clip), Path(folder), erasure.record
    require_own(out)
    if push_to_hub is not None:
        require_repository(push_to_hub)
    require_base(record, base)
    for name in formats or ():
        require_choice("format", name, ("open_clip", "transformers"))
    written, why = tuple[str, ...](formats or ()), ""
    if formats is None:
        why = live_only(erasure.apply(base), erasure.erasure.selection, erasure.vocabulary.templates)
        written = () if why else ("open_clip",)
    save_erasure(
        out,
        base,
        erasure.erasure,
        metrics=record.metrics,
        seed=record.seed,
        vocabulary=record.vocabulary,
        images=record.images,
        templates=erasure.vocabulary.templates,
        formats=written,
        findings=[finding.record() for finding in findings],
        repository=push_to_hub,
    )
    snippets = snippets_of(out, erasure.erasure, base.name, written, push_to_hub)
    address = push(out, push_to_hub) if push_to_hub else ""
    return Saved(out, written, (why,) if why else (), snippets, address)


def load(path: str | Path, clip: OpenClipEncoder) -> RecordedErasure:
    """Read an erasure from a folder that :func:`save` wrote, or from its ``edit.safetensors`` alone.

    Args:
        path: the folder or the file.
        clip: the unedited model that the erasure was made from.

    Raises:
        ErasureFileError: a file is missing, damaged or was changed since it was saved, or belongs to another model.
    """
    return RecordedErasure(*load_recorded(path, unedited(clip)))


def unedited(clip: TextImageEncoder) -> OpenClipEncoder:
    """Return ``clip`` after filling its caches with the embeddings that are shipped for it.

    Raises:
        ModelError: ``clip`` is not a model that :func:`unlearn.load_clip` returned.
    """
    if not isinstance(clip, OpenClipEncoder):
        raise ModelError(
            f"{type(clip).__name__} is no unedited model; give what load_clip returned. To put CCUP on top of "
            "CLIPErase, give the model and on=erasure."
        )
    _shipped.get(clip, "", lambda: restore_features(clip))
    return clip


def vocabulary_of(words: Names | Path) -> Vocabulary:
    """Return the vocabulary that a user gives as its name, a file or a list of words.

    Raises:
        ConceptError: there is no such vocabulary, or its words cannot be used.
    """
    return vocabulary_argument(str(words)) if isinstance(words, str | Path) else named_vocabulary(words)


def _tuned_part(on: RecordedErasure | None) -> Erasure[CLIPEraseSettings] | None:
    """Return the CLIPErase erasure that CCUP is put on top of, or None."""
    if on is None:
        return None
    if on.erasure.tuned is None or on.erasure.closed_form is not None:
        raise ParameterError(f"This erasure is by {on.method}; CCUP goes on top of an erasure by CLIPErase only.")
    return on.erasure.tuned


def _options_in_words() -> str:
    """Describe each option of :func:`erase`, grouped by method, from the declarations in the settings."""
    lines = []
    for settings, label in ((CCUPSettings, "CCUP"), (CLIPEraseSettings, "CLIPErase"), (BaselineSettings, "Baselines")):
        taken = {name for method in METHODS.values() if settings in method.settings for name in method.takes()}
        lines.append(f"Options of {label}:")
        for name, option in options_of(settings).items():
            if name in taken:
                lines.append(f"    {name}: {option.help}; {option.values or 'True, False'} (default: {option.usual}).")
        lines.append("")
    return "\n".join(lines)


erase.__doc__ = f"{inspect.cleandoc(erase.__doc__ or '')}\n\n{_options_in_words()}"
