"""What the screen asks of the core: a visitor's session in, numbers and pictures out. No gradio here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

from unlearn.concepts import Vocabulary, parse_names, select
from unlearn.config import Settings
from unlearn.encoders import TextImageEncoder, class_embeddings
from unlearn.erasers import ccup
from unlearn.errors import ConceptError, require_choice
from unlearn.evaluation.neighbours import Neighbour, nearest_neighbours
from unlearn.evaluation.retrieval import RetrievalReport, evaluate_retrieval, find_captions, find_pictures
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot, label_probabilities
from unlearn.gallery import Gallery, Picture, image_features
from unlearn.trade_off import STRENGTHS, TradeOffPoint, image_text_similarity, sweep_count, sweep_strength
from unlearn.ui.session import (
    RETAIN_CHOICES,
    RETAIN_NEIGHBOURS,
    RETAIN_OWN,
    ErasureRequest,
    Session,
)

ORIGINAL, CCUP = "Original", "CCUP"
#: "Nearest neighbours" as a retain set: as many as stand close to a concept, and a margin.
NEIGHBOURS_RETAINED = 50
AT_RISK = 6
CHART_LABELS = 8
HITS = 8
MAX_QUERY_LENGTH = 300
ERASED_COUNTS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Summary:
    """What the current edit costs, by variant, and which retained concepts stand closest to the erased ones."""

    notices: tuple[str, ...]
    at_risk: tuple[Neighbour, ...]
    accuracy: dict[str, ZeroShotReport]


@dataclass(frozen=True)
class LabelView:
    """Probabilities of the shown labels for one picture, {variant: {label: probability}}; ``offered`` labels competed."""

    probabilities: dict[str, dict[str, float]]
    offered: int


@dataclass(frozen=True)
class FoundPicture:
    """A picture that answered a query, and its cosine with it."""

    picture: Picture
    score: float


@dataclass(frozen=True)
class FoundCaption:
    """A caption that answered a picture, the concept it speaks of, and its cosine with the picture."""

    caption: str
    concept: str
    score: float


@dataclass(frozen=True)
class Geometry:
    """How far the edit moved what: ‖P t‖ of texts that had length 1, and picture–text cosines by variant."""

    names: tuple[str, ...]
    norms: dict[str, float]
    similarity: dict[str, Tensor]


@dataclass(frozen=True)
class TradeOff:
    """The measured curves, and the erasure (at full strength) they belong to."""

    of: ccup.Erasure
    by_strength: tuple[TradeOffPoint, ...]
    by_count: tuple[TradeOffPoint, ...]


@dataclass(frozen=True, eq=False)
class Services:
    """The shared model, gallery and vocabulary; every method is a function of a session."""

    encoder: TextImageEncoder
    gallery: Gallery
    vocabulary: Vocabulary
    settings: Settings = Settings()

    # ------------------------------------------------------------------ erasing

    def erase(self, request: ErasureRequest) -> ccup.Erasure:
        """Fit CCUP for ``request``.

        Raises:
            ConceptError, ParameterError: it cannot be used; the message says what is allowed.
        """
        settings = ccup.Settings(
            request.mode, request.strength, request.lam, request.mu, request.side, request.synonyms
        )
        require_choice("retain set", request.retain, RETAIN_CHOICES)
        own = request.own_retain if request.retain == RETAIN_OWN else None
        selection = select(request.forget, own, vocabulary=self.vocabulary, most=self.settings.max_concepts)
        if request.retain == RETAIN_NEIGHBOURS:
            near = nearest_neighbours(self.encoder, selection.forget_names, selection.retain, NEIGHBOURS_RETAINED)
            selection = replace(selection, retain=tuple(neighbour.name for neighbour in near))
        return ccup.erase(self.encoder, selection, settings, vocabulary=self.vocabulary)

    def variants(self, session: Session) -> dict[str, TextImageEncoder]:
        """The models the views compare, the original first."""
        edited = {CCUP: session.erasure.apply(self.encoder)} if session.erasure else {}
        return {ORIGINAL: self.encoder, **edited}

    def collection(self, session: Session) -> Gallery:
        """The labelled pictures that accuracy and retrieval are measured on."""
        return session.uploads if session.measured_on_uploads and session.uploads else self.gallery

    def labels(self, session: Session) -> tuple[str, ...]:
        """The labels that compete where none are named: the vocabulary, and what else the collection shows."""
        known = {name.casefold() for name in self.vocabulary.names}
        own = (name for name in self.collection(session).concepts if name.casefold() not in known)
        return (*self.vocabulary.names, *own)

    def accuracy(self, session: Session) -> dict[str, ZeroShotReport]:
        """Zero-shot accuracy of every variant on the collection, every label offered."""
        collection, labels = self.collection(session), self.labels(session)
        return {
            variant: evaluate_zero_shot(encoder, collection, forget=session.erased, classnames=labels)
            for variant, encoder in self.variants(session).items()
        }

    def summary(self, session: Session) -> Summary:
        """What stands beside the strength slider."""
        notices = session.erasure.selection.notices if session.erasure else ()
        return Summary(notices, tuple(self.at_risk(session)), self.accuracy(session))

    def at_risk(self, session: Session) -> list[Neighbour]:
        """The concepts closest to the erased ones."""
        if session.erasure is None:
            return []
        others = [name for name in self.vocabulary.names if name not in session.erased]
        return nearest_neighbours(self.encoder, session.erased, others, AT_RISK) if others else []

    # ------------------------------------------------------------------ zero-shot

    def zero_shot(self, session: Session, labels: Sequence[str] = ()) -> LabelView:
        """What each variant sees in the visitor's picture, among ``labels`` or, without any, all that are known.

        Raises:
            ConceptError: a label cannot be used, or no picture was chosen.
        """
        picture = _chosen(session)
        offered = parse_names(labels, what="label") or self.labels(session)
        probabilities = {
            variant: dict(
                zip(offered, label_probabilities(e, image_features(e, picture), offered)[0].tolist(), strict=True)
            )
            for variant, e in self.variants(session).items()
        }
        shown = _most_telling(probabilities, session.erased)
        return LabelView({v: {label: p[label] for label in shown} for v, p in probabilities.items()}, len(offered))

    # ------------------------------------------------------------------ retrieval

    def find_pictures(self, session: Session, query: str) -> dict[str, list[FoundPicture]]:
        """The collection's pictures for a text, by variant.

        Raises:
            ConceptError: ``query`` is empty or too long.
        """
        text = " ".join(query.split())
        if not text:
            raise ConceptError("The query is empty; type what to look for, such as “a cat”.")
        if len(text) > MAX_QUERY_LENGTH:
            raise ConceptError(f"The query has {len(text):,} characters; at most {MAX_QUERY_LENGTH} are allowed.")
        collection = self.collection(session)
        return {
            variant: [
                FoundPicture(collection.pictures[hit.index], hit.score)
                for hit in find_pictures(encoder, text, collection, HITS)
            ]
            for variant, encoder in self.variants(session).items()
        }

    def find_captions(self, session: Session) -> dict[str, list[FoundCaption]]:
        """The collection's captions for the visitor's picture, by variant.

        Raises:
            ConceptError: no picture was chosen.
        """
        picture = _chosen(session)
        concept_of = {p.caption: p.concept for p in self.collection(session)}
        captions = tuple(concept_of)
        return {
            variant: [
                FoundCaption(captions[hit.index], concept_of[captions[hit.index]], hit.score)
                for hit in find_captions(encoder, image_features(encoder, picture)[0], captions, HITS)
            ]
            for variant, encoder in self.variants(session).items()
        }

    def recall(self, session: Session) -> dict[str, RetrievalReport]:
        """recall@k of every variant on the collection, in both directions."""
        collection = self.collection(session)
        return {
            variant: evaluate_retrieval(encoder, collection, forget=session.erased)
            for variant, encoder in self.variants(session).items()
        }

    # ------------------------------------------------------------------ trade-off

    def trade_off(self, session: Session, watch: Callable[[int, int], None] = lambda done, total: None) -> TradeOff:
        """Measure the curves of the visitor's erasure; ``watch`` hears how many points are done, of how many.

        Raises:
            ConceptError: nothing is erased.
        """
        erasure = _erased(session)
        collection = self.collection(session)
        common = (self.encoder, collection, erasure.selection, erasure.settings, self.vocabulary)
        counts = [count for count in ERASED_COUNTS if count < len(self.vocabulary.names)]
        total = len(ccup.MODES) * (len(STRENGTHS) + len(counts))
        done = 0

        def counted(points: Iterator[TradeOffPoint]) -> Iterator[TradeOffPoint]:
            nonlocal done
            for point in points:
                done += 1
                watch(done, total)
                yield point

        by_strength = tuple(counted(sweep_strength(*common)))
        by_count = tuple(counted(sweep_count(*common, counts=counts)))
        return TradeOff(erasure.at(1.0), by_strength, by_count)

    def geometry(self, session: Session) -> Geometry:
        """Norms and similarities of the erased concepts and their neighbours.

        Raises:
            ConceptError: nothing is erased.
        """
        erasure = _erased(session)
        names = tuple(dict.fromkeys((*session.erased[:AT_RISK], *(near.name for near in self.at_risk(session)))))
        norms = erasure.projection.on_texts(class_embeddings(self.encoder, names)).norm(dim=-1)
        collection, labels = self.collection(session), self.labels(session)
        targets = collection.targets(labels)
        return Geometry(
            names,
            dict(zip(names, norms.tolist(), strict=True)),
            {
                variant: image_text_similarity(encoder, image_features(encoder, collection), targets, names, labels)
                for variant, encoder in self.variants(session).items()
            },
        )


def one_picture(image: Image.Image, concept: str = "") -> Gallery:
    """``image`` as a collection of one."""
    return Gallery("picture", (Picture(concept, concept, lambda: image),))


def _chosen(session: Session) -> Gallery:
    if session.picture is None:
        raise ConceptError("No picture is chosen; upload one or pick one of the gallery.")
    return session.picture


def _erased(session: Session) -> ccup.Erasure:
    if session.erasure is None:
        raise ConceptError("Nothing is erased yet; name at least one concept, such as “cat”.")
    return session.erasure


def _most_telling(probabilities: dict[str, dict[str, float]], erased: Sequence[str]) -> list[str]:
    """Labels worth a bar: the leaders of every variant and the erased ones, most probable in the original first."""
    original = next(iter(probabilities.values()))
    each = CHART_LABELS // len(probabilities)
    leaders = [label for p in probabilities.values() for label in sorted(p, key=p.__getitem__, reverse=True)[:each]]
    gone = [label for label in erased if label in original][:2]
    others = sorted(original, key=original.__getitem__, reverse=True)
    chosen = list(dict.fromkeys([*gone, *leaders, *others]))[:CHART_LABELS]
    return sorted(chosen, key=original.__getitem__, reverse=True)
