"""Imports of a visitor: a link, or an erasure in a file; both act as if made in this session. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from unlearn.app.edits import FineTuned
from unlearn.app.links import Link
from unlearn.app.model_choice import choose, encode_words
from unlearn.app.requests import erase, request_of, settings_of
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.runs.fine_tuning import FINE_TUNING
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.clip.projection import Projection
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import ErasureFileError, UnlearnError
from unlearn.export.record import Record
from unlearn.export.saved import load_recorded
from unlearn.finetuning.prepared import encoding
from unlearn.progress import Progress, map_progress

#: Largest relative difference between solutions of the same problem on two machines, as a share of the edit.
SAME = 0.01
NOT_OPENED = "This model opens no file of an edit; choose one of open_clip's."


def follow(services: Services, visitor: Visitor, link: Link) -> None:
    """Apply ``link`` to the session; a link without concepts removes the active erasure.

    Raises:
        ConceptError, ParameterError, ModelError: the link is not valid; the visitor gets the app's own model and words.
    """
    try:
        if link.fine_tune:
            settings_of(link.fine_tune, services.settings.max_steps)
        if link.model or link.vocabulary:
            choose(services, visitor, link.model, link.vocabulary, keep_run=True)
            FINE_TUNING.find(services, visitor)  # a page that is reloaded finds the run of its model
        if link.erasure is not None:
            if any(name.strip() for name in link.erasure.forget):
                erase(services, visitor, link.erasure)
            else:
                visitor.change(erasure=None)
    except UnlearnError:
        visitor.change(model="", vocabulary=None, erasure=None)
        raise


def open_edit(services: Services, visitor: Visitor, path: str | None, name: str = "") -> Record:
    """Open the erasure in the file at ``path``, as if it had been made in this session, and return its record.

    A CCUP erasure is active at once. A CLIPErase erasure needs its images encoded again: that is a background run,
    which :data:`OPENING` finds.

    Raises:
        ErasureFileError, ParameterError, ConceptError: the file is not valid; the active edit stays.
        JobError: the file needs a run, and the visitor already has one, or the queue is full.
    """
    if not path:
        raise ErasureFileError("No file was given; choose an edit.safetensors that was made here or by `erase`.")
    if Path(path).suffix != ".safetensors":
        raise ErasureFileError(f"“{name or Path(path).name}” is not a .safetensors file.")
    session = visitor.session
    erasure, record = load_recorded(path, services.open_clip_encoder_of(session, NOT_OPENED))
    closed_form = erasure.closed_form
    if erasure.method == "baseline":
        raise ErasureFileError(
            "This is the edit of a baseline; the page opens those of CCUP and CLIPErase. Use "
            "`python -m unlearn report --erasure FILE` to see what this one does."
        )
    if erasure.tuned:
        OPENING.start(services, visitor, Opened(erasure.tuned, closed_form, record))
    else:
        if (last := OPENING.find(services, visitor)) and last.state == "failed":
            OPENING.forget(services, visitor)  # its status does not describe this file
        visitor.change(since=session, erasure=closed_form)
    return record


@dataclass(frozen=True, eq=False)
class Opened:
    """Contents of a file with fine-tuned weights."""

    erasure: Erasure[CLIPEraseSettings]
    closed_form: Erasure[CCUPSettings] | None
    record: Record


def _plan(services: Services, session: Session, opened: Opened) -> Plan[Progress, FineTuned]:
    return Plan(partial(_open, services, session, opened), "file")


#: It ends like a run of CLIPErase and shares its job key.
OPENING: BackgroundRun[Opened, Progress, FineTuned] = BackgroundRun(
    FINE_TUNING.key, _plan, stopped=FINE_TUNING.stopped, done=FINE_TUNING.done, keep=FINE_TUNING.keep
)


def _open(services: Services, session: Session, file: Opened) -> Generator[Progress, None, FineTuned]:
    """Return the model of the erasure in ``file``, encoded for the first views, and the CCUP edit of the same file.

    Raises:
        ErasureFileError: an image no longer has an embedding, or CCUP gives a different result on this machine.
    """
    words = services.vocabulary_of(session)
    # Images that only their owner has may be among those this visitor added.
    tuned = FineTuned(
        services.open_clip_encoder_of(session, NOT_OPENED),
        file.erasure,
        file.record.images,
        learned_own=not file.record.images,
    )
    encoder = tuned.encoder
    opened = replace(session, fine_tuned=tuned)
    collection = services.collection(opened)
    progress = partial(encoding, total=len(collection))
    features = yield from map_progress(encoder.prepare_image_features(collection), progress)
    for _ in encode_words(encoder, words.names, words.templates):
        yield progress(len(collection))
    if not torch.isfinite(features).all():
        raise ErasureFileError("With the weights of this file, some pictures have no embedding any more.")
    return replace(tuned, beside=_beside(services, opened, file.closed_form)) if file.closed_form else tuned


def _beside(services: Services, session: Session, closed_form: Erasure[CCUPSettings]) -> Erasure[CCUPSettings]:
    """Return the CCUP edit of the original model that becomes ``closed_form`` on top of the session's fine-tuned model.

    Raises:
        ErasureFileError: CCUP gives a different result on this machine or with this vocabulary.
    """
    asked = request_of(services, replace(session, erasure=closed_form, request=None))
    own = services.erase(session, asked)
    again = services.both(replace(session, erasure=own))
    if again is None or not _same(again.closed_form.projection, closed_form.projection):
        raise ErasureFileError(
            "This edit was made among other words than those of this page; choose its vocabulary first, under Model, "
            "or use it on the command line: `python -m unlearn evaluate --erasure FILE`."
        )
    return own


def _same(made: Projection | None, wanted: Projection | None) -> bool:
    """Return whether two projections differ by no more than results on two machines do."""
    if made is None or wanted is None:
        return False
    edit = wanted.matrix - torch.eye(len(wanted.matrix))
    return bool((made.matrix - wanted.matrix).norm() <= SAME * edit.norm())
