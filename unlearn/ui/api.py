"""The endpoints of the API: the whole job without the page. Docstrings here are the API's documentation."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn.ui.cliperase_tab import POLL
from unlearn.ui.components import UNDECODED, picture_input
from unlearn.ui.guard import for_programs, sentence_of
from unlearn.ui.loading import Provider
from unlearn.ui.session import ErasureRequest, FineTuneRequest, Session, Visitor

if TYPE_CHECKING:
    from unlearn.evaluation.retrieval import RetrievalReport
    from unlearn.ui.runs import RunStatus

#: What suits the projections, the default of what trains; a parameter without a default would have to be given.
LEARNING_RATE = 3e-4
TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
TEXT, NUMBER, YES_OR_NO, OBJECT = ({"type": kind} for kind in ("string", "number", "boolean", "object"))


def register_endpoints(services: Provider, visitor: gr.State) -> None:
    """Add ``/erase``, ``/zero_shot``, ``/retrieve`` and ``/trade_off``; a client's calls share one session."""

    def erase(  # noqa: PLR0917  positions are how gradio passes values
        visitor: Visitor,
        forget: list[str],
        strength: float,
        mode: str,
        side: str,
        retain: str,
        own_retain: list[str],
        lam: float,
        mu: float,
        synonyms: bool,
    ) -> tuple[Visitor, dict[str, Any]]:
        """Erase concepts for this session; the later calls of the same client compare before and after.

        forget: concepts, any words. strength: 0 to 1. mode: "consistent" or "nullspace". side: "image", "text" or
        "both". retain: "vocabulary", "neighbours", or "list" with the names in own_retain. lam, mu: the weights λ
        and μ. synonyms: whether plurals and synonyms go too. Returns the concepts, the neighbours most at risk, and
        top-1 and top-5 accuracy before and after as fractions.
        """
        request = ErasureRequest(forget, strength, mode, side, retain, own_retain, lam, mu, synonyms)
        erasure = services().erase(visitor.session, request)
        session = visitor.change(erasure=erasure)
        summary = services().summary(session)
        return visitor, {
            "forget": list(session.erased),
            "retained": len(erasure.selection.retain),
            "settings": asdict(erasure.settings),
            "notices": list(summary.notices),
            "at_risk": [asdict(neighbour) for neighbour in summary.at_risk],
            "accuracy": {variant: asdict(accuracy) for variant, accuracy in summary.accuracy.items()},
        }

    def zero_shot(visitor: Visitor, labels: list[str], picture: dict[str, Any] | None = None) -> dict[str, Any]:
        """Classify a picture before and after the erasure of this session.

        labels: candidate labels; none lets the whole vocabulary compete. picture: the file; none takes the last one
        sent. Returns the erased concepts and, by variant, the probability of the most telling labels.
        """
        session = _looking_at(visitor, picture)
        view = services().zero_shot(session, labels)
        return {"forget": list(session.erased), "offered": view.offered, "probabilities": view.probabilities}

    def retrieve(visitor: Visitor, query: str, picture: dict[str, Any] | None = None) -> dict[str, Any]:
        """Search the gallery by text, and its captions by picture, before and after the erasure of this session.

        query: any text. picture: the file; none takes the last one sent, and without any no captions are searched.
        Returns, by variant, what was found with its cosine, and recall@1, 5, 10 on erased and on other concepts.
        """
        session = _looking_at(visitor, picture)
        found = services().find_pictures(session, query)
        captions = services().find_captions(session) if session.picture else {}
        return {
            "forget": list(session.erased),
            "pictures": {
                variant: [
                    {"concept": hit.picture.concept, "caption": hit.picture.caption, "score": hit.score} for hit in hits
                ]
                for variant, hits in found.items()
            },
            "captions": {variant: [asdict(hit) for hit in hits] for variant, hits in captions.items()},
            "recall": {variant: _recall(report) for variant, report in services().recall(session).items()},
        }

    def trade_off(visitor: Visitor) -> dict[str, Any]:
        """Measure what the erasure of this session costs, against strength and against the number of concepts.

        Returns points of both curves for both modes (accuracies as fractions), the length of the text embeddings
        under the projection (1 before it), and the mean cosine of pictures (rows) with texts (columns) by variant.
        """
        measured = services().trade_off(visitor.session)
        session = visitor.change(trade_off=measured)
        geometry = services().geometry(session)
        return {
            "by_strength": [asdict(point) for point in measured.by_strength],
            "by_count": [asdict(point) for point in measured.by_count],
            "norms": geometry.norms,
            "names": list(geometry.names),
            "similarity": {variant: matrix.tolist() for variant, matrix in geometry.similarity.items()},
        }

    async def cliperase(  # noqa: PLR0917  its arguments are the endpoint's
        visitor: Visitor,
        forget: list[str],
        steps: int,
        learning_rate: float,
        trainable: str,
        forgetting: str,
        seed: int,
    ) -> AsyncIterator[dict[str, Any]]:
        """Fine-tune concepts away in the background; streams the state of the run until it has ended.

        forget: concepts with pictures in the gallery. steps, learning_rate, seed: of the training.
        trainable: "last_blocks", "projections", "lora" or "all". forgetting: "cosine" or "gradient_ascent". Yields
        state, place in line, step, losses and accuracies (null where not measured), seconds and seconds left; once
        done, the later calls of the same client compare "CLIPErase" too. A client that leaves leaves the run going.
        """
        try:
            request = FineTuneRequest(forget, steps, learning_rate, trainable, forgetting, seed)
            status: RunStatus | None = await asyncio.to_thread(lambda: services().start_run(visitor, request))
        except Exception as error:
            raise gr.Error(sentence_of(error), print_exception=False) from None
        while status is not None:
            yield _run_report(status)
            if status.ended:
                return
            await asyncio.sleep(POLL)
            status = services().run_of(visitor)

    def cancel(visitor: Visitor) -> dict[str, Any]:
        """Stop this session's run within a step; the edit that was in force stays. Returns the state of the run."""
        status = services().cancel_run(visitor)
        return _run_report(status) if status else {"state": "none"}

    settings, run = ErasureRequest(), FineTuneRequest()
    # Plain carriers of JSON: a slider or a dropdown here would turn a value away in its own words, not in the core's.
    parameters = [
        Api(None, TEXTS, "Concepts to erase"),
        Api(settings.strength, NUMBER, "Strength, 0 to 1"),
        Api(settings.mode, TEXT, "consistent or nullspace"),
        Api(settings.side, TEXT, "Edited embeddings: image, text or both"),
        Api(settings.retain, TEXT, "Protected concepts: vocabulary, neighbours or list"),
        Api([], TEXTS, "The list of protected concepts"),
        Api(settings.lam, NUMBER, "λ, weight of forgetting"),
        Api(settings.mu, NUMBER, "μ, weight of protecting"),
        Api(settings.synonyms, YES_OR_NO, "Erase plurals and synonyms too"),
    ]
    _endpoint(erase, [visitor, *parameters], [visitor, _result()])
    with gr.Row(visible=False):
        first, second = picture_input(label="Picture"), picture_input(label="Picture")
    _endpoint(zero_shot, [visitor, Api([], TEXTS, "Candidate labels"), first], [_result()])
    _endpoint(retrieve, [visitor, Api(None, TEXT, "Query"), second], [_result()])
    _endpoint(trade_off, [visitor], [_result()])
    _endpoint(cancel, [visitor], [_result()])
    run_parameters = [
        Api(None, TEXTS, "Concepts to erase"),
        Api(run.steps, NUMBER, "Steps"),
        Api(LEARNING_RATE, NUMBER, "Learning rate"),
        Api(run.trainable, TEXT, "What trains: last_blocks, projections, lora or all"),
        Api(run.forgetting, TEXT, "Forgetting module: cosine or gradient_ascent"),
        Api(run.seed, NUMBER, "Seed"),
    ]
    # A generator: it turns its own errors into sentences, and waits without holding a thread.
    gr.on(
        [],
        cliperase,
        [visitor, *run_parameters],
        [_result()],
        api_name="cliperase",
        show_progress="hidden",
        concurrency_limit=None,
    )


def _result() -> Api:
    return Api(None, OBJECT, "Result")


def _run_report(status: RunStatus) -> dict[str, Any]:
    """A run's state for a program: numbers that are not there are null."""
    last = asdict(status.progress[-1]) if status.progress else {}
    numbers = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in last.items()}
    return {"state": str(status.state), "place": status.place, "message": status.message, **numbers}


def _endpoint(handler: Any, inputs: list[Any], outputs: list[Any]) -> None:
    gr.on([], for_programs(handler), inputs, outputs, api_name=handler.__name__, show_progress="hidden", **UNDECODED)


def _recall(report: RetrievalReport) -> dict[str, dict[str, dict[str, float]]]:
    """JSON wants words for keys."""
    return {
        direction: {
            part: {f"recall@{k}": share for k, share in recall.at.items()} | {"n": recall.n}
            for part, recall in getattr(report, direction).items()
        }
        for direction in ("text_to_image", "image_to_text")
    }


def _looking_at(visitor: Visitor, file: dict[str, Any] | None) -> Session:
    """The session with the picture in ``file``, or as it was without one."""
    if file is None:
        return visitor.session
    from unlearn.ui.sources import alone, uploaded_picture

    return visitor.change(picture=alone(uploaded_picture(file.get("path"))))
