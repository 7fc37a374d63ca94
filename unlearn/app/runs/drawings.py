"""Images drawn before and after the visitor's edits: background runs over shared pipelines. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from unlearn.app.asked import DrawRequest
from unlearn.app.edits import Edits
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.services import Services
from unlearn.app.session import NOTHING_ERASED, Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.prompts import prompts
from unlearn.diffusion.apply_edits import EditedPipeline, apply_to_pipeline
from unlearn.diffusion.drawing import Drawing, Images, Pair, draw
from unlearn.diffusion.pipelines import PIPELINES, LoadedPipeline
from unlearn.diffusion.rates import Case, Detected, DetectionRate, cases_of, detect, two_thing_cases
from unlearn.diffusion.records import Detections, judged, report
from unlearn.errors import ConceptError
from unlearn.evaluation.generation import named_in
from unlearn.evaluation.judge import load_judge
from unlearn.options import check_options, options_of
from unlearn.progress import Progress, Status, map_progress, within
from unlearn.zero_gpu import on_zero_gpu

#: Images in each part of a judged batch: with the concept, without it, and with it beside another concept.
JUDGED = 20
#: Fractions of a run after which the diffusion model is loaded, and after which the images are drawn.
LOADED, DRAWN = 0.2, 0.95
DRIVES_NOTHING = "This model drives no diffusion pipeline."


@dataclass(frozen=True, eq=False)
class Drawn:
    """A finished pair of images, what was detected in them, and the erasure they were drawn with."""

    pair: Pair
    detections: Detections
    erased: tuple[str, ...]
    edits: Edits
    notices: tuple[str, ...]
    edited_pipeline: EditedPipeline

    @property
    def images(self) -> dict[str, Images]:
        """The images, before and after the edit."""
        return {"before": self.pair.before, "after": self.pair.after}

    def record(self) -> dict[str, Any]:
        """Return the drawing as JSON, without its images."""
        record = report(self.pair, self.edited_pipeline, self.detections)
        return record | {"forget": list(self.erased), "notices": list(self.notices)}


@dataclass(frozen=True, eq=False)
class Rates:
    """Detection rates of a judged batch: erased concepts, other concepts, and the other concept in joint prompts.

    ``edits`` are those it was drawn with.
    """

    erased: DetectionRate
    others: DetectionRate
    beside: DetectionRate
    edits: Edits

    @property
    def images(self) -> dict[str, Images]:
        """No images: those of a batch are judged and dropped."""
        return {}

    def record(self) -> dict[str, Any]:
        """Return the rates as JSON."""
        return {"rates": {part: asdict(getattr(self, part)) for part in ("erased", "others", "beside")}}


DrawStatus = Status[Progress, Drawn | Rates]


def _plan(services: Services, session: Session, request: DrawRequest) -> Plan[Progress, Drawn | Rates]:
    """Check ``request`` and plan a drawing or a batch to be judged.

    Raises:
        ConceptError, ParameterError, ModelError: the request is not valid.
    """
    check_options(request)
    session = session.only(request.edit)
    drawing = Drawing.of(
        PIPELINES[request.pipeline],
        request.prompt,
        seed=request.seed,
        count=request.count,
        steps=request.steps,
        guidance=request.guidance,
    )
    if session.erasure is None and session.fine_tuned is None:
        raise ConceptError(NOTHING_ERASED)
    encoder = services.open_clip_encoder_of(session, DRIVES_NOTHING)

    def begin() -> Generator[Progress, None, Drawn | Rates]:
        yield Progress(text="Loading the diffusion model and carrying the edit into it.", whole=0.0)
        loaded = services.pipelines.get(request.pipeline)
        cases = _cases(services, session, loaded, drawing.seed) if request.judge else None
        edited = edited_pipeline(services, session, loaded, encoder, request.carry_method)
        if cases:
            batch = _judge_batch(loaded, edited, drawing, cases, session.edits)
            return (yield from map_progress(batch, within(LOADED, DRAWN)))
        run = on_zero_gpu(lambda: draw(loaded, edited.loaded, drawing), loaded.pipeline, edited.loaded.pipeline)()
        pair = yield from map_progress(map_progress(run, _then_looking), within(LOADED, DRAWN))
        notices = (*edited.notices, *_unknown_to(loaded, session.erased), *pair.notices)
        return Drawn(pair, judged(pair, session.erased, encoder), session.erased, session.edits, notices, edited)

    return Plan(begin, f"{request.pipeline}/{request.judge}")


def _keep(visitor: Visitor, result: Drawn | Rates, services: Services) -> None:
    if isinstance(result, Drawn):
        if result.edits is not visitor.session.drawn:
            visitor.change(drawn=result.edits)
    elif result.edits is not visitor.session.judged:
        visitor.change(judged=result.edits)


DRAWING = BackgroundRun("drawing", _plan, stopped="Stopped. The pictures drawn before are still here.", keep=_keep)


def outdated(session: Session) -> list[str]:
    """Return which results, “pictures” and “rates”, were drawn with other edits than those active now."""
    active = [session.only(variant).edits for variant in options_of(DrawRequest)["edit"].choices]
    results = {"pictures": session.drawn, "rates": session.judged}
    return [what for what, edits in results.items() if edits is not None and edits not in active]


def prompts_of(pipeline: str) -> dict[str, str]:
    """Return a prompt for each concept that ``pipeline`` was trained to draw; none if it is not limited to a list."""
    return {name: prompts(name, ("a {} on a blue background",))[0] for name in _draws(pipeline)}


def _draws(pipeline: str) -> tuple[str, ...]:
    return PIPELINES[pipeline].draws if pipeline in PIPELINES else ()


def names_nothing(pipeline: str, prompt: str) -> str:
    """Return a sentence if ``prompt`` names nothing that ``pipeline`` was trained to draw; else ""."""
    draws = _draws(pipeline)
    if not draws or not prompt.strip() or named_in(prompt, draws):
        return ""
    return f"“{pipeline}” draws {len(draws)} things, and this prompt names none of them. Click one of them."


def edited_pipeline(
    services: Services,
    session: Session,
    loaded: LoadedPipeline,
    encoder: OpenClipEncoder,
    carry_method: str = "gated",
) -> EditedPipeline:
    """Return ``loaded`` with the edits of ``session``."""
    return apply_to_pipeline(
        loaded,
        encoder,
        closed_form=session.erasure,
        tuned=session.fine_tuned.encoder if session.fine_tuned else None,
        carry_method=carry_method,
        vocabulary=services.vocabulary_of(session),
    )


def _unknown_to(loaded: LoadedPipeline, erased: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence if the pipeline was never trained to draw the erased concepts."""
    unknown = [name for name in erased if loaded.known.draws and name not in loaded.known.draws]
    if not unknown:
        return ()
    return (f"“{loaded.name}” draws {len(loaded.known.draws)} concepts, and “{unknown[0]}” is not one of them.",)


def _cases(services: Services, session: Session, loaded: LoadedPipeline, seed: int) -> list[list[Case]]:
    """Return the cases of each part of a judged batch, in the order of :class:`Rates`.

    Raises:
        ConceptError: the pipeline draws none of the erased concepts, or nothing else.
    """
    known = loaded.known.draws or services.vocabulary_of(session).names
    erased = [name for name in session.erased if name in known]
    if not erased:
        raise ConceptError(f"“{loaded.name}” draws none of the erased concepts, so there is nothing to judge.")
    others = [name for name in known if name not in session.erased]
    if not others:
        raise ConceptError(f"All that “{loaded.name}” draws is erased, so there is nothing else to judge beside it.")
    return [
        cases_of(erased, JUDGED, seed),
        cases_of(others[:: max(1, len(others) // JUDGED)], JUDGED, seed),
        two_thing_cases(erased[0], others, JUDGED, seed),
    ]


def _judge_batch(
    loaded: LoadedPipeline,
    edited_pipeline: EditedPipeline,
    drawing: Drawing,
    cases: Sequence[Sequence[Case]],
    edits: Edits,
) -> Generator[Progress, None, Rates]:
    judge = load_judge()

    def start() -> Generator[Progress, None, list[list[Detected]]]:
        return detect(loaded, edited_pipeline.loaded, cases, judge, steps=drawing.steps, guidance=drawing.guidance)

    run = on_zero_gpu(start, loaded.pipeline, edited_pipeline.loaded.pipeline)()
    verdicts = yield from map_progress(run, _then_looking)
    of_erased, of_others, beside = map(DetectionRate.of, verdicts)
    return Rates(of_erased, of_others, beside, edits)


def _then_looking(step: Progress) -> Progress:
    """Report the last step as followed by detection on the images."""
    return replace(step, text="Looking at the pictures.") if step.done == step.total else step
