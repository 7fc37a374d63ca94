"""Pictures before and after the visitor's edits: a background run over the shared pipelines. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from unlearn.app.services import Services
from unlearn.app.session import NOTHING_ERASED, DrawRequest, Edits, Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.diffusion.apply_edits import CARRY_METHODS, EditedPipeline, apply_to_pipeline
from unlearn.diffusion.drawing import Drawing, Pair, Step, draw
from unlearn.diffusion.pipelines import PIPELINES, LoadedPipeline
from unlearn.diffusion.rates import Detected, DetectionRate, cases_of, detect, two_thing_cases
from unlearn.diffusion.records import Detections, judged
from unlearn.errors import ConceptError, ModelError
from unlearn.evaluation.judge import load_judge
from unlearn.jobs import Status, map_progress
from unlearn.options import check_options
from unlearn.zero_gpu import on_zero_gpu

#: Pictures of a batch that is judged: with the concept, without it, and with it beside another.
JUDGED = 20


@dataclass(frozen=True, eq=False)
class Drawn:
    """A finished pair, what is seen in it, and what was erased, and how, when it was drawn."""

    pair: Pair
    detections: Detections
    erased: tuple[str, ...]
    edits: Edits
    notices: tuple[str, ...]
    edited_pipeline: EditedPipeline


@dataclass(frozen=True, eq=False)
class Rates:
    """A judged batch: pictures of what is erased, of others, and of both at once, where the other is looked for."""

    erased: DetectionRate
    others: DetectionRate
    beside: DetectionRate


@dataclass(frozen=True)
class Judging:
    """Progress of a batch."""

    step: int
    steps: int


Progress = Step | Judging
DrawStatus = Status[Progress, Drawn | Rates]


def start_drawing(services: Services, visitor: Visitor, request: DrawRequest) -> DrawStatus:
    """Put a drawing, or a batch to be judged, in line.

    Raises:
        ConceptError, ParameterError, ModelError: the request cannot be used.
        JobError: the visitor is drawing already, or the line is full.
    """
    check_options(request)
    session = visitor.session.only(request.edit)
    encoder = services.encoder_of(session)
    known = PIPELINES[request.pipeline]
    drawing = Drawing(
        request.prompt,
        request.seed,
        known.steps if request.steps is None else request.steps,
        known.guidance if request.guidance is None else request.guidance,
        request.count,
    )
    if session.erasure is None and session.fine_tuned is None:
        raise ConceptError(NOTHING_ERASED)
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("This model drives no diffusion pipeline.")

    def start() -> Generator[Progress, None, Drawn | Rates]:
        loaded = services.pipelines.get(request.pipeline)
        heard = edited_pipeline(services, session, loaded, encoder, request.carry_method)
        if request.judge:
            return (yield from _judge_batch(services, session, loaded, heard, drawing))
        pair = yield from on_zero_gpu(
            lambda: draw(loaded, heard.loaded, drawing), loaded.pipeline, heard.loaded.pipeline
        )()
        notices = (*heard.notices, *_unknown_to(loaded, session.erased), *pair.notices)
        return Drawn(pair, judged(pair, session.erased, encoder), session.erased, session.edits, notices, heard)

    return services.start(visitor, "drawing", start, f"{request.pipeline}/{request.judge}")


def drawing_of(services: Services, visitor: Visitor) -> DrawStatus | None:
    """The visitor's drawing as it is now."""
    return services.jobs.find(visitor.lines["drawing"])


def stop_drawing(services: Services, visitor: Visitor) -> DrawStatus | None:
    """Stop it within a step; the pictures drawn before stay."""
    return services.jobs.cancel(visitor.lines["drawing"])


def edited_pipeline(
    services: Services,
    session: Session,
    loaded: LoadedPipeline,
    encoder: OpenClipEncoder,
    carry_method: str = CARRY_METHODS[0],
) -> EditedPipeline:
    """``loaded`` with the edits of ``session``."""
    return apply_to_pipeline(
        loaded,
        encoder,
        closed_form=session.erasure,
        tuned=session.fine_tuned.encoder if session.fine_tuned else None,
        carry_method=carry_method,
        vocabulary=services.vocabulary_of(session),
    )


def _unknown_to(loaded: LoadedPipeline, erased: Sequence[str]) -> tuple[str, ...]:
    """A sentence where the pipeline was never made to draw what is erased."""
    unknown = [name for name in erased if loaded.draws and name not in loaded.draws]
    if not unknown:
        return ()
    return (f"“{loaded.name}” draws {len(loaded.draws)} concepts, and “{unknown[0]}” is not one of them.",)


def _judge_batch(
    services: Services, session: Session, loaded: LoadedPipeline, edited_pipeline: EditedPipeline, drawing: Drawing
) -> Generator[Progress, None, Rates]:
    known = loaded.draws or services.vocabulary_of(session).names
    erased = [name for name in session.erased if name in known]
    if not erased:
        raise ConceptError(f"“{loaded.name}” draws none of the erased concepts, so there is nothing to judge.")
    others = [name for name in known if name not in session.erased]
    if not others:
        raise ConceptError(f"All that “{loaded.name}” draws is erased, so there is nothing else to judge beside it.")
    judge = load_judge()
    groups = [
        cases_of(erased, JUDGED, drawing.seed),
        cases_of(others[:: max(1, len(others) // JUDGED)], JUDGED, drawing.seed),
        two_thing_cases(erased[0], others, JUDGED, drawing.seed),
    ]

    def start() -> Generator[tuple[int, int], None, list[list[Detected]]]:
        return detect(loaded, edited_pipeline.loaded, groups, judge, steps=drawing.steps, guidance=drawing.guidance)

    run = on_zero_gpu(start, loaded.pipeline, edited_pipeline.loaded.pipeline)()
    verdicts = yield from map_progress(run, lambda made: Judging(*made))
    return Rates(*map(DetectionRate.of, verdicts))
