"""CLIPErase for a visitor: a background run over the shared model, and the fine-tuned model. No gradio here."""

from __future__ import annotations

from collections.abc import Generator

from unlearn.app.asked import FineTuneRequest
from unlearn.app.edits import FineTuned
from unlearn.app.requests import settings_of
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.concepts.selection import select
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers import cliperase
from unlearn.finetuning.sources import BUNDLED
from unlearn.progress import Progress, Status

FineTuneStatus = Status[Progress, FineTuned]
CANNOT_TRAIN = "This model cannot be fine-tuned; CCUP needs no training."


def _plan(services: Services, session: Session, request: FineTuneRequest) -> Plan[Progress, FineTuned]:
    """Check ``request`` and plan its run.

    Raises:
        ConceptError, ParameterError, ImageError, ModelError: the run is not possible; the message gives the reason.
    """
    vocabulary = services.vocabulary_of(session)
    training, probe = services.training, services.held_out(session)
    own = session.uploads.train if session.uploads else None
    encoder = services.open_clip_encoder_of(session, CANNOT_TRAIN)
    settings = settings_of(request, services.settings.max_steps)
    run = cliperase.train(
        encoder,
        select(request.forget, vocabulary=vocabulary),
        settings,
        galleries=[training, own] if own else [training],
        probe=probe,
        vocabulary=vocabulary,
    )

    def begin() -> Generator[Progress, None, FineTuned]:
        only_bundled = own is None and training is bundled_gallery().train
        erasure = yield from run
        images = BUNDLED if only_bundled else ""
        tuned = FineTuned(encoder, erasure, images, learned_own=own is not None, asked=request)
        # Encode what every view needs first here, so that the page does not wait for it.
        tuned.encoder.image_features(probe)
        tuned.encoder.text_features(vocabulary.names, vocabulary.templates)
        return tuned

    return Plan(begin, settings.trainable)


def _keep(visitor: Visitor, result: FineTuned, services: Services) -> None:
    """Make the model of a finished run active, together with the base model it was fine-tuned from."""
    session = visitor.session
    if not result.is_run_of(session.fine_tuned) and result.original.name == services.encoder_of(session).name:
        if result.beside:
            visitor.change(since=session, fine_tuned=result, erasure=result.beside)
        else:
            tuned = result.at(session.erasure.settings.strength) if session.erasure else result
            visitor.change(since=session, fine_tuned=tuned)


def _done(status: Status[Progress, FineTuned]) -> str:
    text = "Done"
    for last in steps_of(status)[-1:]:
        cut = f", after {last.done} of {last.total} steps, when its time was up" if last.done < last.total else ""
        text = f"Done in {last.seconds:.0f} s of training{cut}"
    return f"{text}: every view now shows “CLIPErase”."


FINE_TUNING = BackgroundRun(
    "cliperase", _plan, stopped="Stopped. The edits from before stay active.", done=_done, keep=_keep
)


def take_off(services: Services, visitor: Visitor) -> Session:
    """Remove the fine-tuned model from the comparison and free its weights."""
    FINE_TUNING.forget(services, visitor)
    return visitor.change(fine_tuned=None)


def steps_of(status: Status[Progress, FineTuned]) -> list[cliperase.TrainingStep]:
    """Return the training steps of a run, without the preparation before them."""
    return [progress for progress in status.progress if isinstance(progress, cliperase.TrainingStep)]
