"""Functions of the core that the screen uses: a visitor's session in, results out. No gradio here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unlearn.app.asked import RETAIN_NEIGHBOURS, RETAIN_OWN, ErasureRequest
from unlearn.app.results import FoundCaption, LabelView, SplitAccuracy, Summary
from unlearn.app.session import NOTHING_ERASED, OWN_ALONE, Session, Visitor
from unlearn.caching import ObjectCache
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.models import Models
from unlearn.concepts.selection import Selection, Vocabulary, concept_of, parse_names, select
from unlearn.config import Settings
from unlearn.data import decoding
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.diffusion.pipelines import PipelineCache
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure, Stacked
from unlearn.erasers.settings import CCUPSettings
from unlearn.erasers.variants import BOTH, CCUP, CLIPERASE, ORIGINAL
from unlearn.errors import ConceptError, ModelError
from unlearn.evaluation.neighbours import Neighbour, nearest_neighbours
from unlearn.evaluation.per_class import ClassTable, per_class
from unlearn.evaluation.retrieval import RetrievalReport, evaluate_retrieval, find_captions
from unlearn.evaluation.zero_shot import above_chance, evaluate_zero_shot, label_probabilities, most_telling
from unlearn.export.vanished import live_only
from unlearn.files.downloads import Downloads
from unlearn.index.search import ImageIndex
from unlearn.jobs import Jobs
from unlearn.options import check_options, shared_options

#: Size of the retain set "nearest neighbours": all close neighbours of a concept, and a margin.
NEIGHBOURS_RETAINED = 50
AT_RISK = 6
#: Images or captions that a search returns.
HITS = 8
#: Labels on the chart, and how many of them may be erased ones that no model puts first.
CHART_LABELS, ERASED_LABELS = 8, 3
#: Replacement for the training images if there are none.
NOTHING = Gallery("nothing", ())


@dataclass(frozen=True, eq=False)
class Services:
    """The shared models, gallery, vocabulary and index; most methods take a session."""

    models: Models
    gallery: Gallery
    vocabulary: Vocabulary
    settings: Settings = field(default_factory=Settings)
    training: Gallery = NOTHING
    index: ImageIndex | None = None
    jobs: Jobs[Any, Any] = field(default_factory=Jobs)
    pipelines: PipelineCache = field(default_factory=PipelineCache)
    downloads: Downloads = field(default_factory=Downloads)
    #: CCUP at full strength, solved on the text embeddings of a visitor's fine-tuned model.
    on_top: ObjectCache[Erasure[CCUPSettings]] = field(default_factory=lambda: ObjectCache(most=1))

    def encoder_of(self, session: Session) -> TextImageEncoder:
        """Return the model that the visitor chose, unedited.

        Raises:
            ModelError: the model was unloaded to make room for others, and cannot be loaded again.
        """
        return self.models.get(session.model)

    def open_clip_encoder_of(self, session: Session, refusal: str) -> OpenClipEncoder:
        """Return the model that the visitor chose, if it is an open_clip model.

        Raises:
            ModelError: it is not; ``refusal`` is the message.
        """
        encoder = self.encoder_of(session)
        if not isinstance(encoder, OpenClipEncoder):
            raise ModelError(refusal)
        return encoder

    def variants(self, session: Session) -> dict[str, TextImageEncoder]:
        """Return the models that the views compare, the original first."""
        original = self.encoder_of(session)
        compared = {ORIGINAL: original}
        erasure, tuned = session.erasure, session.fine_tuned
        if erasure:
            compared[CCUP] = erasure.apply(original)
        if tuned:
            compared[CLIPERASE] = tuned.encoder
        if tuned and (both := self.both(session)):
            compared[BOTH] = both.closed_form.apply(tuned.encoder)
        return compared

    def both(self, session: Session) -> Stacked | None:
        """Stack the two active edits; CCUP is solved again, as the fine-tuned text tower moves the text embeddings."""
        erasure, tuned = session.erasure, session.fine_tuned
        if erasure is None or tuned is None:
            return None
        vocabulary, whole = self.vocabulary_of(session), erasure.at(1.0)
        again = self.on_top.get(
            tuned.encoder,
            (whole.selection, whole.settings, vocabulary),
            lambda: ccup.erase(tuned.encoder, whole.selection, whole.settings, vocabulary=vocabulary),
        )
        return Stacked(tuned.erasure, again.at(erasure.settings.strength))

    def collection(self, session: Session) -> Gallery:
        """Return the labelled images for accuracy and retrieval, none of which a model was trained on."""
        own = session.own_images
        learned = session.fine_tuned is not None and session.fine_tuned.learned_own
        return self.held_out(session) if own is None or learned else self._measured(session, own)

    def held_out(self, session: Session) -> Gallery:
        """Return the part of the collection that stays unseen if methods train on the visitor's images too."""
        own = session.own_images
        return self._measured(session, own.test) if own is not None and len(own.test) else self.gallery

    def _measured(self, session: Session, own: Gallery) -> Gallery:
        """Return ``own``, with the gallery before it if the visitor measures on both."""
        return own if session.measured_on == OWN_ALONE else own.after(self.gallery)

    def measured_on(self, session: Session, names: Sequence[str]) -> Gallery:
        """Return held-out images: the collection, or another held-out gallery if the collection lacks ``names``."""
        own = session.uploads.test if session.uploads else self.gallery
        held_out = self.held_out(session)
        showing = (each for each in (held_out, own, self.gallery) if not set(names).isdisjoint(each.concepts))
        return next(showing, held_out)

    def vocabulary_of(self, session: Session) -> Vocabulary:
        """Return the active words: the visitor's choice or the app's, and the concepts of the visitor's own images."""
        chosen, images = session.vocabulary or self.vocabulary, session.own_images
        own = [concept_of(name) for name in (images.concepts if images else ()) if chosen.find(name) is None]
        return replace(chosen, concepts=(*chosen.concepts, *own)) if own else chosen

    def erase(self, session: Session, request: ErasureRequest) -> Erasure[CCUPSettings]:
        """Fit CCUP for ``request``.

        Raises:
            ConceptError, ParameterError: the request is not valid; the message lists what is allowed.
        """
        check_options(request)
        settings = CCUPSettings(**shared_options(CCUPSettings, request))
        own = request.own_retain or () if request.retain == RETAIN_OWN else None
        vocabulary = self.vocabulary_of(session)
        selection = select(request.forget or (), own, vocabulary=vocabulary, most=self.settings.max_concepts)
        if request.retain == RETAIN_NEIGHBOURS:
            selection = replace(selection, retain=self.neighbours(session, selection.forget_names))
        now = session.erasure
        if now and (now.selection, now.settings) == (selection, replace(settings, strength=now.settings.strength)):
            return now.at(settings.strength)  # only the strength differs, so the solution is reused
        return ccup.erase(self.encoder_of(session), selection, settings, vocabulary=vocabulary)

    def neighbours(self, session: Session, forget: Sequence[str]) -> tuple[str, ...]:
        """Return the retain set "nearest neighbours" of ``forget``, closest first."""
        near = nearest_neighbours(self.encoder_of(session), forget, self.vocabulary_of(session), NEIGHBOURS_RETAINED)
        return tuple(neighbour.name for neighbour in near)

    def at_risk(self, session: Session) -> list[Neighbour]:
        """Return the concepts closest to the erased ones; for words that the model may not know it would be noise."""
        vocabulary = self.vocabulary_of(session)
        unknown = unknown_of(session.erased, vocabulary)
        known = [name for name in session.erased if name not in unknown]
        return nearest_neighbours(self.encoder_of(session), known, vocabulary, AT_RISK) if known else []

    def accuracy(self, session: Session) -> dict[str, SplitAccuracy]:
        """Measure the zero-shot accuracy of every variant on the collection, with every label as a candidate."""
        collection, vocabulary = self.collection(session), self.vocabulary_of(session)
        result = {}
        for variant, encoder in self.variants(session).items():
            report = evaluate_zero_shot(encoder, collection, forget=session.erased, vocabulary=vocabulary)
            result[variant] = SplitAccuracy(report.forget, report.retain)
        return result

    def per_class(self, session: Session) -> ClassTable:
        """Measure every variant on each class of the collection, with every label as a candidate."""
        return per_class(self.variants(session), self.collection(session), session.erased, self.vocabulary_of(session))

    def summary(self, session: Session) -> Summary:
        """Return the summary shown beside the strength slider."""
        notices, accuracy = self._left_out(session), self.accuracy(session)
        notices += tuple(filter(None, [self._left(session, accuracy)]))
        if session.fine_tuned and session.erasure:
            notices += tuple(filter(None, [session.fine_tuned.moved_on(session.erasure.selection.forget_names)]))
        if erasure := session.erasure:
            edited = erasure.apply(self.encoder_of(session))
            why = live_only(edited, erasure.selection, self.vocabulary_of(session).templates)
            notices = (*notices, *erasure.selection.notices, *([why] if why else []))
        vocabulary = self.vocabulary_of(session)
        unknown = tuple(map(vocabulary.unknown, unknown_of(session.erased, vocabulary)))
        said = tuple(notice for notice in notices if notice not in map(str, unknown))
        return Summary(said, tuple(self.at_risk(session)), accuracy, unknown)

    def _left(self, session: Session, accuracy: Mapping[str, SplitAccuracy]) -> str:
        """Return a sentence if all edits together, each at full strength, leave accuracy above chance."""
        edits = (session.erasure, session.fine_tuned and session.fine_tuned.erasure)
        if not session.erased or any(edit.settings.strength < 1 for edit in edits if edit):
            return ""
        last = list(accuracy.values())[-1].forget
        return above_chance(last.top1, last.n, len(self.vocabulary_of(session).names))

    def _left_out(self, session: Session) -> tuple[str, ...]:
        """Return a sentence if measurements use fewer images than the visitor added."""
        own, collection = session.own_images, self.collection(session)
        if own is None or collection is self._measured(session, own):
            return ()
        if collection is self.gallery:
            return (
                "CLIPErase learned from your pictures, and of fewer than five of a thing none is kept to measure on: "
                "the app's gallery is measured instead.",
            )
        return (f"Measured on {len(own.test)} of your {len(own)} pictures: CLIPErase learned from the others.",)

    def zero_shot(self, session: Session, labels: Sequence[str] = ()) -> LabelView:
        """Classify the visitor's image with each variant, among ``labels`` or by default the whole vocabulary.

        By default, erased words that the vocabulary lacks are offered too. The chart shows up to three of the erased
        labels that were offered, however improbable they are.

        Raises:
            ConceptError: a label is not valid, or no image was chosen.
        """
        image = _chosen(session)
        vocabulary = self.vocabulary_of(session)
        offered = parse_names(labels, what="label") or (*vocabulary.names, *unknown_of(session.erased, vocabulary))
        probabilities = {}
        for variant, encoder in self.variants(session).items():
            row = label_probabilities(encoder, encoder.image_features(image), offered, vocabulary.templates)[0]
            probabilities[variant] = dict(zip(offered, row.tolist(), strict=True))
        original = probabilities[ORIGINAL]
        gone = {name.casefold() for name in session.erased}
        erased = sorted((name for name in offered if name.casefold() in gone), key=original.__getitem__, reverse=True)
        shown = most_telling(probabilities, erased[:ERASED_LABELS], CHART_LABELS)
        return LabelView({v: {label: p[label] for label in shown} for v, p in probabilities.items()}, offered)

    def clearest_image(self, session: Session, concept: str) -> GalleryImage:
        """Return the image of ``concept`` in the collection that the original recognises best."""
        encoder, collection = self.encoder_of(session), self.collection(session)
        own = (collection.targets([concept]) == 0).nonzero().flatten()
        text = encoder.text_features([concept], self.vocabulary_of(session).templates)[0]
        scores = encoder.image_features(collection)[own] @ text
        return collection.images[int(own[scores.argmax()])]

    def find_captions(self, session: Session) -> dict[str, list[FoundCaption]]:
        """Find the collection's captions for the visitor's image, by variant.

        Raises:
            ConceptError: no image was chosen.
        """
        image = _chosen(session)
        concepts = {image.caption: image.concept for image in self.collection(session)}
        captions = tuple(concepts)
        return {
            variant: [
                FoundCaption(captions[hit.index], concepts[captions[hit.index]], hit.score)
                for hit in find_captions(encoder, encoder.image_features(image)[0], captions, HITS)
            ]
            for variant, encoder in self.variants(session).items()
        }

    def recall(self, session: Session) -> dict[str, RetrievalReport]:
        """Measure recall@k of every variant on the collection, in both directions."""
        collection = self.collection(session)
        return {
            variant: evaluate_retrieval(encoder, collection, forget=session.erased)
            for variant, encoder in self.variants(session).items()
        }

    def end_session(self, visitor: Visitor) -> None:
        """End the visitor's runs and free their weights, unless another page of the visitor is open."""
        if visitor.is_last:
            for key in visitor.job_keys.values():
                self.jobs.forget(key)
            self.downloads.forget(visitor.key)

    def is_busy(self, visitor: Visitor) -> bool:
        """Return whether any of the visitor's jobs is queued or running."""
        return any(map(self.jobs.is_busy, visitor.job_keys.values()))

    def warm_up(self) -> None:
        """Compute in advance what the views need first, so that no visitor waits for it."""
        decoding.start()
        self.recall(Session())


def unknown_of(names: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Return the ``names`` that are no concept of ``vocabulary``: no image of the gallery is labelled with them."""
    known = {name.casefold() for name in vocabulary.names}
    return [name for name in names if name.casefold() not in known]


def selection_of(session: Session) -> Selection:
    """Return the concepts that the active edits erase and retain.

    Raises:
        ConceptError: no concept is erased.
    """
    if not session.erased:
        raise ConceptError(NOTHING_ERASED)
    return session.selection


def _chosen(session: Session) -> Gallery:
    if session.image is None:
        raise ConceptError("No picture is chosen; upload one or pick one of the gallery.")
    return session.image
