"""Retrieval tab: images that CLIP finds for a text, and captions for an image, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn import app
from unlearn.app.session import SEARCH_GALLERY, Session
from unlearn.app.startup import Provider
from unlearn.ui.components import QUIET, Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.html import markup
from unlearn.ui.html.templates import fill, small


@dataclass(frozen=True)
class RetrievalTab:
    """The tab's components; ``render`` returns values of ``outputs`` from those of ``inputs``."""

    services: Provider
    tab: gr.Tab
    query: gr.Textbox
    source: gr.Radio
    images: gr.HTML
    shown: gr.HTML
    captions: gr.HTML
    recall: gr.HTML

    @classmethod
    def build(cls, services: Provider, example: str) -> RetrievalTab:
        with gr.Tab("Retrieval", id="retrieval") as tab:
            query = gr.Textbox(
                f"a {example}",
                label="Text → pictures",
                info="Type anything; the closest pictures follow.",
                elem_id="query",
                max_lines=1,
            )
            # Visible if there is more than one source, which is known once the services are loaded.
            source = gr.Radio(
                [SEARCH_GALLERY], value=SEARCH_GALLERY, label="Search in", elem_id="source", visible=False
            )
            images = gr.HTML(elem_id="found-pictures", min_height=260)
            gr.HTML(small(heading="Picture → captions"))
            with gr.Row(equal_height=False):
                with gr.Column(scale=1, min_width=140):
                    shown = gr.HTML(elem_id="caption-picture")
                with gr.Column(scale=5, min_width=280):
                    captions = gr.HTML(elem_id="found-captions", min_height=240)
            gr.HTML(small(heading="Recall on the whole gallery"))
            recall = gr.HTML(elem_id="recall", min_height=220)
        return cls(services, tab, query, source, images, shown, captions, recall)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.query, self.source]

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.source, self.images, self.shown, self.captions, self.recall]

    def render(self, session: Session, given: Given) -> Shown:
        services = self.services()
        offered = [(called, place) for place, called in app.searches.places(services, session).items()]
        if session.image is None:
            shown, captions = "", fill("no_image")
        else:
            shown = markup.shown_image(session.image.images[0])
            captions = markup.found_captions(services.find_captions(session), session.erased)
        return {
            self.source: gr.update(choices=offered, visible=len(offered) > 1),
            self.shown: shown,
            self.captions: captions,
            self.recall: fill("recall", recall=services.recall(session)),
            **self.find(session, given),
        }

    def find(self, session: Session, given: Given) -> Shown:
        """Return the images for the query; an empty query finds none."""
        query = given[self.query]
        if not query.strip():
            return {self.images: small("Nothing is searched for: type a text above.")}
        found = app.searches.find_images(self.services(), session, query, given[self.source])
        return {self.images: markup.found_images(found, session.erased)}

    def register_callbacks(self, visitor: gr.State) -> None:
        def search(given: Given) -> Any:
            return self.find(given[visitor].session, given)

        gr.on(
            [self.query.change, self.source.input],
            on_screen(search),
            {visitor, *self.inputs},
            self.images,
            trigger_mode="always_last",
            **QUIET,
        )
