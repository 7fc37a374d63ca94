"""Panel for the images used in measurements: the server's gallery or the visitor's own."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from unlearn import app
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.data.images import SUFFIXES
from unlearn.ui.components import Given, Shown
from unlearn.ui.html.templates import small

GALLERY, OWN = "gallery", "own"
NONE_YET = "Up to 64 pictures. They stay in this page's session and are gone with it."


@dataclass(frozen=True)
class CollectionPanel:
    """The panel's components."""

    services: Provider
    source: gr.Radio
    files: gr.File
    concept: gr.Textbox
    add: gr.Button
    note: gr.HTML

    @classmethod
    def build(cls, services: Provider) -> CollectionPanel:
        with gr.Accordion("Pictures", open=False):
            source = gr.Radio(
                [("The app's gallery", GALLERY), ("My pictures", OWN)],
                value=GALLERY,
                label="Measure on",
                elem_id="collection-source",
            )
            files = gr.File(
                file_count="multiple",
                file_types=sorted(SUFFIXES),
                label="Pictures of one thing",
                height=140,
                elem_id="own-files",
            )
            concept = gr.Textbox(label="What they show", placeholder="my mug", max_lines=1, elem_id="own-concept")
            add = gr.Button("Add to my pictures", size="sm", elem_id="add-own")
            note = gr.HTML(small(NONE_YET))
        return cls(services, source, files, concept, add, note)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.source, self.files, self.concept, self.note]

    def added(self, visitor: Visitor, given: Given) -> Shown:
        """Add the files to the visitor's own images; return the values of ``outputs``."""
        uploads = app.sources.add_uploads(visitor.session.uploads, given[self.files] or [], given[self.concept])
        counts = f"{len(uploads)} of your pictures, {len(uploads.concepts)} concepts."
        visitor.change(uploads=uploads, measures_uploads=True)
        return {self.source: OWN, self.files: None, self.concept: "", self.note: small(counts, *uploads.notices)}

    def switched(self, visitor: Visitor, given: Given) -> Shown:
        """Measure on the chosen source."""
        source = given[self.source]
        if source == OWN and visitor.session.uploads is None:
            gr.Info("Add a few pictures of your own first; until then the app's gallery is used.")
            source = GALLERY
        visitor.change(measures_uploads=source == OWN)
        return {self.source: source}
