"""Panel for the images used in measurements: the server's gallery or the visitor's own."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from unlearn import app
from unlearn.app.session import MEASURED_ON, TOGETHER, Session, Visitor
from unlearn.app.startup import Provider
from unlearn.data.images import SUFFIXES
from unlearn.ui.components import Given, Shown, clickable
from unlearn.ui.html import markup
from unlearn.ui.html.templates import small

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
        with gr.Accordion("Pictures", open=False, elem_classes="u-fold"):
            source = gr.Radio(
                [(label, value) for value, label in MEASURED_ON.items()],
                value=TOGETHER,
                label="Measure on",
                elem_id="collection-source",
                visible=False,
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
            note = clickable(small(NONE_YET), in_turn=True, elem_id="own-pictures")
        return cls(services, source, files, concept, add, note)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.files, self.concept, *self.kept]

    @property
    def kept(self) -> list[gr.components.Component]:
        """The components that :meth:`shown` describes the visitor's images in."""
        return [self.source, self.note]

    def shown(self, session: Session) -> Shown:
        """Return values of ``kept``: the visitor's images so far, or how to add some."""
        if session.uploads is None:
            return {self.source: gr.update(visible=False), self.note: small(NONE_YET)}
        called = app.examples.called(self.services(), session)
        return {
            self.source: gr.update(value=session.measured_on, visible=True),
            self.note: markup.own_images(session.uploads, called),
        }

    def added(self, visitor: Visitor, given: Given) -> Shown:
        """Add the files to the visitor's own images, and look at the newest; return the values of ``outputs``."""
        uploads = app.sources.add_uploads(visitor.session.uploads, given[self.files] or [], given[self.concept])
        together = visitor.session.measured_on if visitor.session.uploads else TOGETHER
        image = app.sources.alone(uploads.images[-1])
        session = visitor.change(uploads=uploads, measured_on=together, image=image, chose_image=True)
        return {self.files: None, self.concept: "", **self.shown(session)}

    def switched(self, visitor: Visitor, given: Given) -> Shown:
        """Measure on the chosen source."""
        visitor.change(measured_on=given[self.source] or TOGETHER)
        return {}
