"""Pictures before and after the visitor's edits: a background run over the shared pipelines. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from unlearn.app.services import Services
from unlearn.app.session import NOTHING_ERASED, DrawRequest, Edits, Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.diffusion.carrying import WAYS, Carried, carry
from unlearn.diffusion.drawing import Drawing, Pair, Step, draw
from unlearn.diffusion.pipelines import PIPELINES, Painter
from unlearn.diffusion.rates import Rate, Seen, cases_of, look_for, two_thing_cases
from unlearn.diffusion.records import Sights, judged
from unlearn.erasers.variants import CCUP, CLIPERASE
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.evaluation.judge import load_judge
from unlearn.jobs import Status, relayed
from unlearn.zero_gpu import on_zero_gpu

#: Pictures of a batch that is judged: with the concept, without it, and with it beside another.
JUDGED = 20


@dataclass(frozen=True, eq=False)
class Drawn:
    """A finished pair, what is seen in it, and what was erased, and how, when it was drawn."""

    pair: Pair
    sights: Sights
    erased: tuple[str, ...]
    edits: Edits
    notices: tuple[str, ...]
    carried: Carried


@dataclass(frozen=True, eq=False)
class Rates:
    """A judged batch: pictures of what is erased, of others, and of both at once, where the other is looked for."""

    erased: Rate
    others: Rate
    beside: Rate


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
    session = visitor.session.only(request.edit and require_choice("edit", request.edit, (CCUP, CLIPERASE)))
    encoder = services.encoder_of(session)
    require_choice("pipeline", request.pipeline, tuple(PIPELINES))
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
        painter = services.painters.get(request.pipeline)
        heard = carried(services, session, painter, encoder, request.way)
        if request.judge:
            return (yield from _judge_batch(services, session, painter, heard, drawing))
        pair = yield from on_zero_gpu(
            lambda: draw(painter, heard.painter, drawing), painter.pipeline, heard.painter.pipeline
        )()
        notices = (*heard.notices, *_unknown_to(painter, session.erased), *pair.notices)
        return Drawn(pair, judged(pair, session.erased, encoder), session.erased, session.edits, notices, heard)

    return services.start(visitor, "drawing", start, f"{request.pipeline}/{request.judge}")


def drawing_of(services: Services, visitor: Visitor) -> DrawStatus | None:
    """The visitor's drawing as it is now."""
    return services.jobs.find(visitor.lines["drawing"])


def stop_drawing(services: Services, visitor: Visitor) -> DrawStatus | None:
    """Stop it within a step; the pictures drawn before stay."""
    return services.jobs.cancel(visitor.lines["drawing"])


def carried(
    services: Services, session: Session, painter: Painter, encoder: OpenClipEncoder, way: str = WAYS[0]
) -> Carried:
    """``painter`` with the edits of ``session``."""
    return carry(
        painter,
        encoder,
        closed_form=session.erasure,
        tuned=session.fine_tuned.encoder if session.fine_tuned else None,
        way=way,
        vocabulary=services.vocabulary_of(session),
    )


def _unknown_to(painter: Painter, erased: Sequence[str]) -> tuple[str, ...]:
    """A sentence where the pipeline was never made to draw what is erased."""
    unknown = [name for name in erased if painter.draws and name not in painter.draws]
    if not unknown:
        return ()
    return (f"“{painter.name}” draws {len(painter.draws)} concepts, and “{unknown[0]}” is not one of them.",)


def _judge_batch(
    services: Services, session: Session, painter: Painter, carried: Carried, drawing: Drawing
) -> Generator[Progress, None, Rates]:
    known = painter.draws or services.vocabulary_of(session).names
    erased = [name for name in session.erased if name in known]
    if not erased:
        raise ConceptError(f"“{painter.name}” draws none of the erased concepts, so there is nothing to judge.")
    others = [name for name in known if name not in session.erased]
    if not others:
        raise ConceptError(f"All that “{painter.name}” draws is erased, so there is nothing else to judge beside it.")
    judge = load_judge()
    groups = [
        cases_of(erased, JUDGED, drawing.seed),
        cases_of(others[:: max(1, len(others) // JUDGED)], JUDGED, drawing.seed),
        two_thing_cases(erased[0], others, JUDGED, drawing.seed),
    ]

    def start() -> Generator[tuple[int, int], None, list[list[Seen]]]:
        return look_for(painter, carried.painter, groups, judge, steps=drawing.steps, guidance=drawing.guidance)

    run = on_zero_gpu(start, painter.pipeline, carried.painter.pipeline)()
    verdicts = yield from relayed(run, lambda made: Judging(*made))
    return Rates(*map(Rate.of, verdicts))
