"""Choice of another model or vocabulary for one visitor. No gradio here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from unlearn.app.requests import request_of
from unlearn.app.results import ModelFacts
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.loading import device_in_words, pick_device
from unlearn.clip.models import CURATED
from unlearn.concepts.named_vocabularies import named_vocabulary
from unlearn.diffusion.pipelines import PIPELINES
from unlearn.erasers import ccup

#: Words encoded between two progress reports.
AT_ONCE = 50
WatchLoading = Callable[[str, int, int], object]


def choose(
    services: Services,
    visitor: Visitor,
    model: str,
    vocabulary: str,
    watch: WatchLoading = lambda what, done, total: None,
    *,
    keep_run: bool = False,
) -> Session:
    """Give ``visitor`` another model and vocabulary, and return the new session.

    The CCUP erasure is fitted again to the new model and words. A fine-tuned model of the old one is dropped.
    The session changes only once everything has succeeded.

    Args:
        model: a name that :class:`unlearn.clip.models.Models` accepts.
        vocabulary: a value for :func:`unlearn.concepts.named_vocabularies.named_vocabulary`; "" is the app's own.
        watch: receives the current step, the amount done and the total (0 if unknown).
        keep_run: do not cancel a CLIPErase run, because it may be of this model.

    Raises:
        ModelError: the model does not exist or cannot be loaded.
        ConceptError: the vocabulary is not valid, or the erasure does not fit it.
    """
    words = named_vocabulary(vocabulary) if vocabulary else None
    chosen: dict[str, Any] = {"model": model, "vocabulary": words, "fine_tuned": None}
    after = replace(visitor.session, erasure=None, **chosen)
    if services.models.find(model) is None:
        watch("Loading the model", 0, 0)
    encoder = services.encoder_of(after)
    read, collection = services.vocabulary_of(after), services.collection(after)
    names = ccup.words_read(read)
    for done in encode_words(encoder, names, read.templates):
        watch("Reading the words", done, len(names))
    encoder.image_features(collection, watch=lambda done, total: watch("Looking at the pictures", done, total))
    now = visitor.session  # the slider may have moved in the meantime
    request = request_of(services, now) if now.erasure else None
    erasure = services.erase(after, request) if request else None
    if not keep_run:
        services.jobs.forget(visitor.job_keys["cliperase"])
    return visitor.change(erasure=erasure, request=request, **chosen)


def encode_words(encoder: TextImageEncoder, names: Sequence[str], templates: Sequence[str]) -> Iterator[int]:
    """Encode ``names`` into the encoder's cache, part by part; yields the number of encoded names before each part."""
    for start in range(0, len(names), AT_ONCE):
        yield start
        encoder.text_features(names[start : start + AT_ONCE], templates)


def facts_of(services: Services, session: Session) -> ModelFacts:
    """Return the facts to show about the visitor's model."""
    encoder = services.encoder_of(session)
    device, count = pick_device(), 0
    if isinstance(encoder, OpenClipEncoder):
        device, count = encoder.device, sum(parameter.numel() for parameter in encoder.model.parameters())
    return ModelFacts(
        encoder.name,
        device_in_words(device),
        count / 1e6,
        drives(encoder.name),
        len(services.vocabulary_of(session).names),
    )


def curated_choices(own: str) -> list[tuple[str, str]]:
    """Return the choices of the dropdown, ``own`` first: a label with size and licence, and the model's name."""
    named = {own: own} if own not in CURATED else {}
    for name, facts in CURATED.items():
        driven = f", drives {' and '.join(drives(name))}" if drives(name) else ""
        named[name] = f"{name} ({facts.millions:.0f}\u00a0M, {facts.licence}{driven})"
    return [(label, name) for name, label in named.items()]


def drives(model: str) -> tuple[str, ...]:
    """Return the diffusion pipelines whose text encoder is the text tower of ``model``."""
    return tuple(name for name, known in PIPELINES.items() if model in known.clips)
