"""A visitor's erasure out of a file, as if it had been made here. No gradio here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from unlearn.encoders import class_embeddings
from unlearn.erasers import ccup, cliperase
from unlearn.errors import ErasureFileError
from unlearn.export.record import Record
from unlearn.export.saved import load_recorded
from unlearn.gallery import image_features
from unlearn.ui.exports import exportable
from unlearn.ui.requests import request_of
from unlearn.ui.runs import FineTuned
from unlearn.ui.services import Services
from unlearn.ui.session import Session, Visitor

#: How far, as a share of the edit, two solutions of the same problem may lie apart on two machines.
SAME = 0.01


def open_edit(services: Services, visitor: Visitor, path: str | None, name: str = "") -> Record:
    """Put the erasure in the file at ``path`` into force, as if it had been made here.

    Raises:
        ErasureFileError, ParameterError, ConceptError: it cannot be used; what was in force stays.
    """
    if not path:
        raise ErasureFileError("No file was given; choose an edit.safetensors that was made here or by `erase`.")
    if Path(path).suffix != ".safetensors":
        raise ErasureFileError(f"“{name or Path(path).name}” is not a .safetensors file.")
    session = visitor.session
    erasure, record = load_recorded(path, exportable(services, session))
    closed_form = erasure.closed_form
    if closed_form is not None and not isinstance(closed_form, ccup.Erasure):
        raise ErasureFileError(
            "This is the edit of a baseline; the page opens those of CCUP and CLIPErase. What this one does, "
            "`python -m unlearn report --erasure FILE` tells."
        )
    parts: dict[str, Any] = {}
    if erasure.tuned:
        parts["fine_tuned"] = _fine_tuned(services, session, erasure.tuned, record)
    if closed_form is not None:
        parts["erasure"] = _beside(services, replace(session, **parts), closed_form) if parts else closed_form
    if erasure.tuned:
        services.jobs.forget(visitor.lines["cliperase"])  # its result would come back
    visitor.change(since=session, **parts)
    return record


def _fine_tuned(services: Services, session: Session, erasure: cliperase.Erasure, record: Record) -> FineTuned:
    """The model that ``erasure`` makes, with what every view asks for first."""
    encoder, words = erasure.apply(exportable(services, session)), services.vocabulary_of(session)
    # Pictures that only their owner has may be those that this visitor brought along.
    tuned = FineTuned(erasure, encoder, record.pictures, learned_own=not record.pictures)
    image_features(encoder, services.collection(replace(session, fine_tuned=tuned)))
    class_embeddings(encoder, words.names, words.templates)
    return tuned


def _beside(services: Services, session: Session, closed_form: ccup.Erasure) -> ccup.Erasure:
    """CCUP as the panel asks for it, for the original model, which on top of ``session``'s own is ``closed_form``.

    Raises:
        ErasureFileError: it comes out otherwise here.
    """
    asked = request_of(services, replace(session, erasure=closed_form, request=None))
    own = services.erase(session, asked)
    again = services.both(replace(session, erasure=own))
    wanted = closed_form.projection.matrix
    if (
        again is None
        or (again.closed_form.projection.matrix - wanted).norm() > SAME * (wanted - torch.eye(len(wanted))).norm()
    ):
        raise ErasureFileError(
            "This edit was made among other words than those of this page; choose its vocabulary first, under Model, "
            "or use it on the command line: `python -m unlearn evaluate --erasure FILE`."
        )
    return own
