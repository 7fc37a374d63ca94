"""Cost of a growing erasure: curves and geometry of a visitor's edit. No gradio here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import cast

from unlearn.app.edits import TradeOff
from unlearn.app.results import Geometry
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.services import AT_RISK, Services
from unlearn.app.session import NOTHING_ERASED, Session, Visitor
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import FORMS, CCUPSettings
from unlearn.errors import ConceptError
from unlearn.evaluation.geometry import Interference, image_text_similarity, measure_interference
from unlearn.progress import Progress, map_progress
from unlearn.sweeps.point import TradeOffPoint
from unlearn.sweeps.trade_off import STRENGTHS, growing, sweep_count, sweep_strength


def measure(services: Services, session: Session) -> Generator[Progress, None, TradeOff]:
    """Measure the curves of the visitor's erasure, or return the last ones if they still apply.

    Raises:
        ConceptError: no concept is erased.
    """
    erasure, collection = _erased(session), services.collection(session)
    if holds(services, session):
        return cast(TradeOff, session.trade_off)
    vocabulary = services.vocabulary_of(session)
    encoder, settings = services.encoder_of(session), erasure.settings
    grown, names = growing(erasure.selection, vocabulary), _compared(services, session)
    points = [
        sweep_strength(encoder, collection, erasure.selection, settings, vocabulary=vocabulary),
        sweep_count(encoder, collection, grown, settings, vocabulary=vocabulary),
    ]
    counts = [len(FORMS) * len(STRENGTHS), len(FORMS) * len(grown)]
    total = sum(counts) + len(names)

    def report(before: int) -> Callable[[Progress], Progress]:
        return lambda part: Progress(before + part.done, total, f"Measuring {before + part.done} of {total}.")

    by_strength = yield from map_progress(_counted(points[0]), report(0))
    by_count = yield from map_progress(_counted(points[1]), report(counts[0]))
    interference = yield from map_progress(_interference(services, session, erasure), report(sum(counts)))
    return TradeOff(session.model, vocabulary, erasure, collection, by_strength, by_count, interference)


def _counted(points: Iterator[TradeOffPoint]) -> Generator[Progress, None, tuple[TradeOffPoint, ...]]:
    measured = list[TradeOffPoint]()
    for point in points:
        measured.append(point)
        yield Progress(len(measured))
    return tuple(measured)


def _plan(services: Services, session: Session, asked: None) -> Plan[Progress, TradeOff]:
    """Plan the measurement of the visitor's curves.

    Raises:
        ConceptError: no concept is erased.
    """
    _erased(session)
    return Plan(lambda: measure(services, session), session.model)


def _keep(visitor: Visitor, result: TradeOff, services: Services) -> None:
    if result is not visitor.session.trade_off and result.model == visitor.session.model:
        visitor.change(trade_off=result)


TRADE_OFF = BackgroundRun("trade-off", _plan, stopped="Stopped. The curves measured before are still here.", keep=_keep)


def holds(services: Services, session: Session) -> bool:
    """Return whether the last measured curves are those of the current model, words, erasure and collection."""
    known, erasure = session.trade_off, session.erasure
    if known is None or erasure is None:
        return False
    return known.belongs_to(session.model, services.vocabulary_of(session), erasure, services.collection(session))


def remarks(services: Services, session: Session) -> list[str]:
    """Return sentences on each way in which the curves differ from the active edit.

    Raises:
        ConceptError: no concept is erased.
    """
    erasure, vocabulary = _erased(session), services.vocabulary_of(session)
    said = []
    if erasure.settings.side == "both":
        said.append("The paired form edits one side only: its curves, and who is hurt by whom, are of edited pictures.")
    if erasure.selection.retain != vocabulary.without(erasure.selection.forget_names):
        said.append("For who is hurt by whom, the rest of the vocabulary is protected.")
    if session.fine_tuned:
        said.append("The curves, and who is hurt by whom, are of CCUP alone, without CLIPErase.")
    return said


def geometry(services: Services, session: Session) -> Geometry:
    """Measure similarities of the erased concepts and their neighbours.

    Raises:
        ConceptError: no concept is erased.
    """
    _erased(session)
    names, collection = _compared(services, session), services.collection(session)
    templates = services.vocabulary_of(session).templates
    similarity = {
        variant: image_text_similarity(model, collection, names, templates)
        for variant, model in services.variants(session).items()
    }
    return Geometry(names, similarity)


def _interference(
    services: Services, session: Session, erasure: Erasure[CCUPSettings]
) -> Generator[Progress, None, Interference]:
    """Measure the effect of erasing each compared concept alone on each of the others.

    This takes one solve per concept, too slow for every move of the slider. The rest of the vocabulary is retained,
    not the visitor's retain set, because concepts of that set are erased here too.
    """
    encoder, vocabulary = services.encoder_of(session), services.vocabulary_of(session)
    settings = replace(erasure.settings.with_form("paired"), strength=1.0)

    def erase(name: str) -> TextImageEncoder:
        alone = select([name], vocabulary=vocabulary)
        return ccup.erase(encoder, alone, settings, vocabulary=vocabulary).apply(encoder)

    names, collection = _compared(services, session), services.collection(session)
    return measure_interference(encoder, erase, collection, names, vocabulary)


def _compared(services: Services, session: Session) -> tuple[str, ...]:
    """Return the erased concepts and those most at risk."""
    near = (neighbour.name for neighbour in services.at_risk(session))
    return tuple(dict.fromkeys((*session.erased[:AT_RISK], *near)))


def _erased(session: Session) -> Erasure[CCUPSettings]:
    if session.erasure is None:
        raise ConceptError(NOTHING_ERASED)
    return session.erasure
