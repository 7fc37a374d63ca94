"""Generation tab: the same seeds drawn before and after by a diffusion model that uses the edited text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

import gradio as gr

from unlearn import app
from unlearn.app.asked import DrawRequest
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.options import options_of
from unlearn.ui.background import RunPart
from unlearn.ui.components import Given, Shown, element
from unlearn.ui.html import drawings
from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.background import BackgroundRun
    from unlearn.app.drawings import Drawn, Rates
    from unlearn.progress import Progress, Status

INTRO = small(
    "A diffusion model draws what its text encoder tells it. The same noise is drawn twice: with "
    "the original text encoder, and with the one that carries what you erased. “pocket” was made here, draws 100 "
    "things at 64 pixels and needs no download; the others are Stable Diffusion, fetched when first asked for."
)
EXAMPLE = "a {} and a pizza on a blue background"
SLIDERS = 4


@dataclass(frozen=True)
class GenerationTab(RunPart):
    """The tab's components. A drawing is shown by :meth:`watch` while it runs, and stays until the next is complete."""

    services: Provider
    tab: gr.Tab
    prompt: gr.Textbox
    draw: gr.Button
    judge: gr.Button
    stop: gr.Button
    pipeline: gr.Dropdown
    seed: gr.Number
    steps: gr.Number
    guidance: gr.Number
    count: gr.Slider
    edit: gr.Radio
    carry_method: gr.Radio
    status: gr.HTML
    images: gr.HTML
    sliders: tuple[gr.ImageSlider, ...]
    rates: gr.HTML

    @classmethod
    def build(cls, services: Provider, example: str) -> GenerationTab:
        known = options_of(DrawRequest)
        with gr.Tab("Generation", id="generation") as tab:
            gr.HTML(INTRO)
            with gr.Row(equal_height=True, elem_classes="u-prompt"):
                prompt = gr.Textbox(
                    EXAMPLE.format(example),
                    label=known["prompt"].label,
                    elem_id="prompt",
                    max_lines=2,
                    scale=4,
                    min_width=260,
                )
                draw = gr.Button("Draw", variant="primary", elem_id="draw", scale=1, min_width=90)
                stop = gr.Button("Stop", interactive=False, elem_id="stop-drawing", scale=1, min_width=90)
            with gr.Accordion("How to draw", open=False):
                with gr.Row():
                    pipeline, seed = element(known["pipeline"]), element(known["seed"])
                    count = element(known["count"], maximum=SLIDERS)
                with gr.Row():
                    steps, guidance = element(known["steps"]), element(known["guidance"])
                edit, carry_method = element(known["edit"]), element(known["carry_method"])
            status = gr.HTML(drawings.no_drawing(), elem_id="drawing-status")
            images = gr.HTML(elem_id="drawn")
            with gr.Row(elem_id="sliders"):
                sliders = tuple(
                    gr.ImageSlider(
                        visible=False, show_label=False, buttons=[], interactive=False, min_width=120, max_height=320
                    )
                    for _ in range(SLIDERS)
                )
            with gr.Row(elem_classes="u-head"):
                gr.HTML(
                    small(
                        "Draws 20 pictures of what is erased, 20 of other things and 20 of both side by side, and lets "
                        "the judge look.",
                        heading="How often is it seen?",
                    )
                )
                judge = gr.Button("Judge a batch", size="sm", elem_id="judge", scale=0, min_width=150)
            rates = gr.HTML(elem_id="rates")
        return cls(
            services, tab, prompt, draw, judge, stop, pipeline, seed, steps, guidance, count, edit, carry_method,
            status, images, sliders, rates,
        )  # fmt: skip

    @property
    def inputs(self) -> list[gr.components.Component]:
        return []

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.draw, self.judge, self.stop, self.status, self.images, *self.sliders, self.rates]

    def render(self, session: Session, given: Given) -> Shown:
        """Return no values: the images name the erasure they were drawn with, so they stay valid after a change."""
        return {}

    @property
    def settings(self) -> dict[str, gr.components.Component]:
        """The components for the fields of :class:`DrawRequest`, by the field's name."""
        return {name: getattr(self, name) for name in options_of(DrawRequest) if name != "judge"}

    @property
    def run(self) -> BackgroundRun[DrawRequest, Progress, Drawn | Rates]:
        return app.drawings.DRAWING

    @property
    def starts(self) -> list[gr.Button]:
        return [self.draw, self.judge]

    @property
    def run_outputs(self) -> list[gr.components.Component]:
        return self.outputs

    def preview(self, status: Status[Progress, Drawn | Rates]) -> Sequence[Image.Image]:
        return drawings.preview(status.progress)

    def run_values(self, visitor: Visitor, status: Status[Progress, Drawn | Rates] | None) -> Shown:
        shown, result = Shown(), status.result if status else None
        if isinstance(result, app.drawings.Drawn):
            pair = result.pair
            shown[self.images] = drawings.drawn(result)
            for slider, compared in zip_longest(self.sliders, zip(pair.before, pair.after, strict=True)):
                shown[slider] = gr.update(value=compared, visible=compared is not None)
        elif isinstance(result, app.drawings.Rates):
            shown[self.rates] = fill("rates", rates=result)
        return shown

    def asked(self, given: Given, *, judge: bool = False) -> DrawRequest:
        """Return the request for a drawing, or for a batch to be judged."""
        asked = {field: given[component] for field, component in self.settings.items()}
        return DrawRequest(**asked, judge=judge)

    def register_callbacks(self, visitor: gr.State) -> None:
        settings = list(self.settings.values())
        self.start_on([self.draw.click, self.prompt.submit], visitor, settings, self.asked)
        self.start_on([self.judge.click], visitor, settings, partial(self.asked, judge=True))
        self.stop_on_click(visitor)
