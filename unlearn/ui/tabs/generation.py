"""Generation tab: the same seeds drawn before and after by a diffusion model that uses the edited text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn import app
from unlearn.app.asked import DrawRequest
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.options import options_of
from unlearn.ui.background import RunPart
from unlearn.ui.components import QUIET, Given, Shown, clickable, clicked, element
from unlearn.ui.guard import on_screen
from unlearn.ui.html import drawings
from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.runs.background import BackgroundRun
    from unlearn.app.runs.drawings import Drawn, Rates
    from unlearn.progress import Progress, Status

INTRO = small(
    "A diffusion model draws what its text encoder tells it. The same noise is drawn twice: with "
    "the original text encoder, and with the one that carries what you erased. “pocket” was made here, draws 100 "
    "things at 64 pixels and needs no download; the others are Stable Diffusion, fetched when first asked for."
)
EXAMPLE = "a {} and a pizza on a blue background"
SLIDERS = 4
ANOTHER_SEED = "() => Math.floor(Math.random() * 2 ** 32)"


@dataclass(frozen=True)
class GenerationTab(RunPart):
    """The tab's components. A drawing is shown by :meth:`watch` while it runs, and stays until the next is complete."""

    services: Provider
    tab: gr.Tab
    prompt: gr.Textbox
    offers: gr.HTML
    unknown: gr.HTML
    draw: gr.Button
    judge: gr.Button
    stop: gr.Button
    pipeline: gr.Dropdown
    seed: gr.Number
    shuffle: gr.Button
    steps: gr.Number
    guidance: gr.Number
    count: gr.Slider
    edit: gr.Radio
    carry_method: gr.Radio
    status: gr.HTML
    outdated: gr.HTML
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
            unknown = gr.HTML(elem_id="unknown-prompt")
            offers = clickable(elem_id="offers", min_height=26)
            with gr.Accordion("How to draw", open=False):
                with gr.Row(equal_height=True):
                    pipeline, seed = element(known["pipeline"]), element(known["seed"])
                    shuffle = gr.Button("Another seed", size="sm", scale=0, min_width=120, elem_id="shuffle")
                    count = element(known["count"], maximum=SLIDERS)
                with gr.Row():
                    steps, guidance = element(known["steps"]), element(known["guidance"])
                edit, carry_method = element(known["edit"]), element(known["carry_method"])
            status = gr.HTML(drawings.no_drawing(), elem_id="drawing-status")
            outdated = gr.HTML(elem_id="outdated")
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
            services, tab, prompt, offers, unknown, draw, judge, stop, pipeline, seed, shuffle, steps, guidance, count,
            edit, carry_method, status, outdated, images, sliders, rates,
        )  # fmt: skip

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.prompt, self.pipeline]

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [*self.run_outputs, self.offers, self.unknown]

    def render(self, session: Session, given: Given) -> Shown:
        """Return prompts to try, and say if the results are of an earlier edit; they stay as they are."""
        pipeline = given[self.pipeline]
        prompts = app.following.ready_prompts(session)
        return {
            self.offers: drawings.offers(prompts, app.drawings.prompts_of(pipeline), pipeline),
            self.unknown: self.unknown_in(given),
            self.outdated: self.outdated_in(session),
        }

    @staticmethod
    def offered(event: gr.EventData) -> Any:
        """Return the prompt that was clicked."""
        return clicked(event, "prompt") or gr.skip()

    def unknown_in(self, given: Given) -> str:
        """Return a sentence if the prompt names nothing that the pipeline draws."""
        return _notice(app.drawings.names_nothing(given[self.pipeline], given[self.prompt]))

    @staticmethod
    def outdated_in(session: Session) -> str:
        """Return a sentence if results on the screen are of an earlier edit."""
        results = " and the ".join(app.drawings.outdated(session))
        return _notice(f"The {results} below are of an earlier edit; draw again to see this one." if results else "")

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
        return [
            self.draw, self.judge, self.stop, self.status, self.outdated, self.images, *self.sliders, self.rates,
        ]  # fmt: skip

    def preview(self, status: Status[Progress, Drawn | Rates]) -> Sequence[Image.Image]:
        return drawings.preview(status.progress)

    def run_values(self, visitor: Visitor, status: Status[Progress, Drawn | Rates] | None) -> Shown:
        shown: Shown = {self.outdated: self.outdated_in(visitor.session)}
        result = status.result if status else None
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
        self.shuffle.click(None, None, self.seed, js=ANOTHER_SEED, **QUIET)
        self.offers.click(on_screen(self.offered), None, self.prompt, **QUIET)
        self.prompt.change(
            on_screen(self.unknown_in), set(self.inputs), self.unknown, trigger_mode="always_last", **QUIET
        )
        self.pipeline.input(
            on_screen(lambda given: self.render(given[visitor].session, given)),
            {visitor, *self.inputs},
            [self.offers, self.unknown, self.outdated],
            **QUIET,
        )


def _notice(sentence: str) -> str:
    return fill("notice", sentence=sentence) if sentence else ""
