"""Zero-shot tab: the labels that CLIP gives an image, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import Block

from unlearn import app
from unlearn.app.session import Session
from unlearn.app.startup import Provider
from unlearn.errors import ImageError
from unlearn.plots.bars import label_bars
from unlearn.ui.components import QUIET, UNDECODED, Given, Shown, chart, clickable, clicked, drawn, image_input
from unlearn.ui.guard import on_screen
from unlearn.ui.html import markup
from unlearn.ui.html.templates import small

if TYPE_CHECKING:
    from unlearn.data.gallery import GalleryImage

#: Default of the strip until a concept is chosen: images on which the effect of the edit is visible.
MOST_TELLING = "Erased and most at risk"


@dataclass(frozen=True)
class ZeroShotTab:
    """The tab's components; ``render`` returns values of ``outputs`` from those of ``inputs``.

    ``accuracy`` and ``classes`` depend on the erasure and not on the image: the page fills them with the summary.
    """

    services: Provider
    tab: gr.Tab
    image: gr.Image
    labels: gr.Dropdown
    bars: gr.Plot
    accuracy: gr.HTML
    classes: gr.HTML
    shown: gr.Dropdown
    strip: gr.HTML

    @classmethod
    def build(cls, services: Provider) -> ZeroShotTab:
        with gr.Tab("Zero-shot", id="zero-shot") as tab:
            with gr.Row(equal_height=False, elem_classes="u-look"):
                with gr.Column(scale=2, min_width=240, elem_classes="u-look-left"):
                    image = image_input(label="Picture", height=280, elem_id="picture")
                    labels = gr.Dropdown(
                        [],
                        multiselect=True,
                        allow_custom_value=True,
                        label="Candidate labels",
                        info="Leave empty to let the whole vocabulary compete.",
                        elem_id="labels",
                    )
                with gr.Column(scale=3, min_width=300):
                    gr.HTML(
                        small(
                            "What CLIP takes the picture for, before and after your edit.",
                            heading="Probability of each label",
                        )
                    )
                    bars = chart("label-chart", height=460)
            accuracy = gr.HTML(elem_id="accuracy", min_height=120)
            with gr.Accordion("What happened to each class", open=False):
                classes = gr.HTML(elem_id="classes")
            with gr.Row(elem_classes="u-head"):
                gr.HTML(small(heading="Other pictures"))
                shown = gr.Dropdown(
                    [MOST_TELLING],
                    value=MOST_TELLING,
                    label="Pictures of",
                    container=False,
                    elem_id="shown-concept",
                    min_width=250,
                    scale=0,
                )
            strip = clickable(elem_id="strip", min_height=110)
        return cls(services, tab, image, labels, bars, accuracy, classes, shown, strip)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.labels, self.shown]

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.bars]

    def render(self, session: Session, given: Given) -> Shown:
        """Return the bars of the chosen image, or no values before there is one."""
        if session.image is None:
            return {}
        view = self.services().zero_shot(session, given[self.labels] or ())
        by_strength = app.by_strength.label_scores(self.services(), session, view)
        return {self.bars: drawn(label_bars(view.probabilities, session.erased, session.titles, by_strength))}

    def thumbnails(self, session: Session, given: Given) -> str:
        """Return the strip: images of the chosen concept, or of the erased concepts and those at risk, then others."""
        services, wanted = self.services(), [given[self.shown] or MOST_TELLING]
        if wanted == [MOST_TELLING]:
            wanted = [*session.erased, *(neighbour.name for neighbour in services.at_risk(session))]
        return markup.strip(app.sources.thumbnails_for(services.collection(session), wanted), session.erased)

    def register_callbacks(self, visitor: gr.State) -> None:
        def look_at(given: Given, image: GalleryImage) -> Shown:
            session = given[visitor].change(image=app.sources.alone(image), chose_image=True)
            return {self.image: image.load(), **self.render(session, given)}

        def choose(given: Given, event: gr.EventData) -> Shown:
            collection = self.services().collection(given[visitor].session)
            index = clicked(event, "index")
            if not index.isdecimal() or int(index) >= len(collection):
                raise ImageError("That picture is no longer in the collection; choose another one.")
            return look_at(given, collection.images[int(index)])

        def upload(given: Given) -> Any:
            file: dict[str, Any] | None = given[self.image]
            # The input was cleared for another image: the last image's chart stays until then.
            return look_at(given, app.sources.uploaded_image(file.get("path"))) if file else gr.skip()

        def as_before(given: Given) -> Shown:
            """Return the image of the current chart, after an upload that cannot be read."""
            image = given[visitor].session.image
            return {self.image: image.images[0].load() if image else None}

        def relabel(given: Given) -> Any:
            return self.render(given[visitor].session, given) or gr.skip()

        def show(given: Given) -> Shown:
            return {self.strip: self.thumbnails(given[visitor].session, given)}

        asked: set[Block] = {visitor, *self.inputs}
        shown = [self.image, *self.outputs]
        self.strip.click(on_screen(choose), asked, shown, trigger_mode="always_last", **QUIET)
        # Not .input, which still carries the image when it is removed.
        self.image.upload(on_screen(upload, as_before), {*asked, self.image}, shown, **UNDECODED, **QUIET)
        self.labels.change(on_screen(relabel), asked, self.outputs, trigger_mode="always_last", **QUIET)
        self.shown.change(on_screen(show), {visitor, self.shown}, self.strip, **QUIET)
