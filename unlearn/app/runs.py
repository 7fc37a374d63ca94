"""CLIPErase for a visitor: a background run over the shared model, and the model that comes of it. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace

from unlearn.app.services import Services
from unlearn.app.session import FineTuneRequest, Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder, class_embeddings
from unlearn.concepts.selection import select
from unlearn.data.gallery import bundled_gallery, image_features
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import ModelError, require_whole
from unlearn.finetuning.sources import BUNDLED
from unlearn.jobs import Progress, Status


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A finished run: the erasure, and the model it makes, which shares all other weights with the base model.

    Attributes:
        pictures: what it learned from, as :class:`unlearn.export.record.Record` has it.
        learned_own: whether pictures of the visitor's may have been among those.
        beside: CCUP as the panel asks for it, of a file that held both.
    """

    erasure: cliperase.Erasure
    encoder: OpenClipEncoder
    pictures: str = ""
    learned_own: bool = False
    beside: ccup.Erasure | None = None

    @property
    def base(self) -> str:
        """The name of the model that was fine-tuned."""
        return self.encoder.name.removesuffix(cliperase.FINE_TUNED)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names


def settings_of(request: FineTuneRequest, most_steps: int) -> CLIPEraseSettings:
    """What ``request`` says, and what suits where it says nothing.

    Raises:
        ParameterError: a number or a choice outside of what is allowed.
    """
    asked = {name: value for name, value in asdict(request).items() if name != "forget" and value is not None}
    settings = CLIPEraseSettings.of(**asked)
    if request.steps is None:
        return replace(settings, steps=min(settings.steps, most_steps))
    require_whole("steps", request.steps, largest=most_steps)
    return settings


RunStatus = Status[Progress, FineTuned]


def start_run(services: Services, visitor: Visitor, request: FineTuneRequest) -> RunStatus:
    """Put CLIPErase in line for ``visitor``; all that can be wrong with ``request`` is said now.

    Raises:
        ConceptError, ParameterError, PictureError, ModelError: it cannot be run; the message says why.
        JobError: the visitor has a run already, or the line is full.
    """
    session = visitor.session
    encoder, vocabulary = services.encoder_of(session), services.vocabulary_of(session)
    training, probe = services.training, services.held_out(session)
    own = session.uploads.train if session.uploads else None
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("This model cannot be fine-tuned; CCUP needs no training.")
    settings = settings_of(request, services.settings.max_steps)
    run = cliperase.train(
        encoder,
        select(request.forget, vocabulary=vocabulary),
        settings,
        galleries=[training, own] if own else [training],
        probe=probe,
        vocabulary=vocabulary,
    )

    def start() -> Generator[Progress, None, FineTuned]:
        erasure = yield from run
        edited = erasure.apply(encoder)
        # What every view asks for first, encoded here, so that the page does not wait for it.
        image_features(edited, probe)
        class_embeddings(edited, vocabulary.names, vocabulary.templates)
        only_bundled = own is None and training is bundled_gallery().train
        return FineTuned(erasure, edited, BUNDLED if only_bundled else "", learned_own=own is not None)

    return services.start(visitor, "cliperase", start, settings.trainable)


def run_of(services: Services, visitor: Visitor) -> RunStatus | None:
    """The visitor's run as it is now; once it is done, its result is active with the model it is of."""
    session = visitor.session
    status: RunStatus | None = services.jobs.find(visitor.lines["cliperase"])
    result = status.result if status else None
    if result and result is not session.fine_tuned and result.base == services.encoder_of(session).name:
        closed_form = {"erasure": result.beside} if result.beside else {}
        visitor.change(since=session, fine_tuned=result, **closed_form)
    return status


def stop_run(services: Services, visitor: Visitor) -> RunStatus | None:
    """Stop the visitor's run within a step; what was in force before stays."""
    return services.jobs.cancel(visitor.lines["cliperase"])


def remove_run(services: Services, visitor: Visitor) -> Session:
    """Take the fine-tuned model out of the comparison and free its weights."""
    services.jobs.forget(visitor.lines["cliperase"])
    return visitor.change(fine_tuned=None)
