"""Endpoints that erase by name and compare before and after, as in the page's views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.asked import ErasureRequest
from unlearn.app.session import SEARCH_GALLERY, Session, Visitor
from unlearn.app.startup import Provider
from unlearn.data.images import data_uri
from unlearn.errors import ImageError
from unlearn.ui.api.endpoints import TEXT, TEXTS, endpoint, erase_first, erased_first
from unlearn.ui.components import image_input

if TYPE_CHECKING:
    from unlearn.data.gallery import GalleryImage

#: Longest side of a found image, in pixels.
SHOWN = 160


@dataclass(frozen=True)
class ViewEndpoints:
    """``/erase``, ``/model`` and those that compare; a client's calls share one session."""

    services: Provider

    def erase(self, visitor: Visitor, request: ErasureRequest) -> dict[str, Any]:
        """Erase concepts with CCUP; the later calls of the same client compare before and after.

        Args:
            {options}

        Returns:
            The concepts, the neighbours most at risk, top-1 and top-5 accuracy before and after as fractions, and of
            each class that changed what its images are called now.
        """
        session = app.requests.erase(self.services(), visitor, request)
        summary = self.services().summary(session)
        erasure = session.erasure
        return {
            "forget": list(session.erased),
            "retained": len(erasure.selection.retain) if erasure else 0,
            "settings": asdict(erasure.settings) if erasure else {},
            "notices": [*summary.notices, *map(str, summary.unknown)],
            "at_risk": [asdict(neighbour) for neighbour in summary.at_risk],
            "accuracy": {variant: asdict(accuracy) for variant, accuracy in summary.accuracy.items()},
            "classes": [asdict(result) for result in self.services().per_class(session).results if result.changed],
        }

    def model(self, visitor: Visitor, model: str, vocabulary: str) -> dict[str, Any]:
        """Edit another CLIP, or choose among other words; in the later calls of the same client all is measured there.

        Args:
            model: one of the curated models, such as "pocket", or where this app offers any, ARCHITECTURE/TAG as
                open_clip knows them, hf-hub:ORG/REPO or blip:ORG/REPO; "" is the app's own.
            vocabulary: "bundled", "imagenet", "cifar100" or your own words, separated by commas; "" is the app's own.

        Returns:
            Name, device, millions of parameters, the diffusion pipelines that it drives, and the number of words. What
            was erased is erased there too; a fine-tuned model is dropped.
        """
        session = app.model_choice.choose(self.services(), visitor, model, vocabulary)
        return asdict(app.model_choice.facts_of(self.services(), session))

    def zero_shot(
        self, visitor: Visitor, labels: list[str], image: dict[str, Any] | None = None, forget: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Classify an image with CLIP, zero-shot among labels, before and after concepts are erased.

        Args:
            labels: Candidate labels; none lets the whole vocabulary compete.
            image: The file, as a data URI from an assistant; none takes the last one sent.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            The erased concepts and, by variant, the probability of the most telling labels.
        """
        erase_first(self.services, visitor, forget)
        session = _looking_at(visitor, image)
        view = self.services().zero_shot(session, labels)
        return {"forget": list(session.erased), "offered": len(view.labels), "probabilities": view.probabilities}

    def retrieve(
        self,
        visitor: Visitor,
        query: str,
        image: dict[str, Any] | None = None,
        forget: Sequence[str] = (),
        source: str = SEARCH_GALLERY,
    ) -> dict[str, Any]:
        """Search images by text, and captions by image, before and after concepts are erased.

        Args:
            query: Any text.
            image: The file, as a data URI from an assistant; none takes the last one sent, and without any no
                captions are searched.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.
            source: Images to search, "gallery", or "index" where the app has a large collection besides; captions
                and recall are the gallery's.

        Returns:
            By variant, what was found with its cosine and as a WebP data URI, images of an index by their file in it,
            why a variant found none ("unanswered"), and recall@1, 5, 10 on erased and on other concepts.
        """
        erase_first(self.services, visitor, forget)
        session, services = _looking_at(visitor, image), self.services()
        found = app.searches.find_images(services, session, query, source)
        captions = services.find_captions(session) if session.image else {}
        return {
            "forget": list(session.erased),
            "images": {
                variant: [_named(hit.image) | {"score": hit.score, "image": _shown(hit.image)} for hit in answer.images]
                for variant, answer in found.items()
            },
            "unanswered": {variant: answer.unanswered for variant, answer in found.items() if answer.unanswered},
            "captions": {variant: [asdict(hit) for hit in hits] for variant, hits in captions.items()},
            "recall": app.searches.recall(services, session),
        }

    def register(self, visitor: gr.State) -> None:
        endpoint(self.erase, visitor, asks=ErasureRequest)
        endpoint(self.model, visitor, Api(None, TEXT, "Model"), Api("", TEXT, "Vocabulary"))
        with gr.Row(visible=False):
            first, second = image_input(label="Image"), image_input(label="Image")
        endpoint(self.zero_shot, visitor, Api([], TEXTS, "Candidate labels"), first, erased_first())
        place = Api(SEARCH_GALLERY, TEXT, "Images to search: gallery or index")
        endpoint(self.retrieve, visitor, Api(None, TEXT, "Query"), second, erased_first(), place)


def _named(image: GalleryImage) -> dict[str, str]:
    """Return what is known of an image that was found."""
    if not image.concept:
        return {"file": image.source}  # not "path": gradio's clients would take it for a file to download
    return {"concept": image.concept, "caption": image.caption}


def _shown(image: GalleryImage) -> str | None:
    """Return an image that was found as a data URI; None if it cannot be read any more."""
    try:
        return data_uri(image.load(), longest=SHOWN)
    except ImageError:
        return None


def _looking_at(visitor: Visitor, file: dict[str, Any] | None) -> Session:
    """Return the session with the image in ``file``; without a file, return it unchanged."""
    if file is None:
        return visitor.session
    return visitor.change(image=app.sources.alone(app.sources.uploaded_image(file.get("path"))))
