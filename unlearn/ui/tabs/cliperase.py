"""CLIPErase tab: fine-tunes in the background, shows the progress, and can be stopped at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from unlearn import app
from unlearn.app.asked import FineTuneRequest
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.options import options_of
from unlearn.plots.runs import accuracy_curves, loss_curves
from unlearn.ui.background import RunPart
from unlearn.ui.components import Given, Shown, chart, drawn, element
from unlearn.ui.html import markup
from unlearn.ui.html.templates import small

if TYPE_CHECKING:
    from unlearn.app.edits import FineTuned
    from unlearn.app.runs.background import BackgroundRun
    from unlearn.progress import Progress, Status

INTRO = small(
    "CLIPErase fine-tunes CLIP until it no longer ties pictures of the concepts to their names "
    "(forgetting), while it keeps matching the others (retention) and stays close to what it was (consistency). It "
    "erases the concepts named under “Erase”, learns from pictures that are never measured on, and when it is done "
    "joins the comparison in every view. It is trained on that list alone: when the list changes, start it again. "
    "Drawings change only where more than the projections is trained. Pictures of a concept that the gallery lacks can "
    "be added under “Pictures”."
)


@dataclass(frozen=True)
class CLIPEraseTab(RunPart):
    """The tab's components; ``render`` returns values of ``outputs``."""

    services: Provider
    tab: gr.Tab
    steps: gr.Number
    learning_rate: gr.Number
    trainable: gr.Radio
    forgetting: gr.Radio
    start: gr.Button
    stop: gr.Button
    remove: gr.Button
    status: gr.HTML
    losses: gr.Plot
    accuracy: gr.Plot

    @classmethod
    def build(cls, services: Provider) -> CLIPEraseTab:
        known = options_of(FineTuneRequest)
        with gr.Tab("CLIPErase", id="cliperase") as tab:
            gr.HTML(INTRO)
            with gr.Row(elem_classes="u-buttons"):
                start = gr.Button("Start", variant="primary", size="md", scale=0, min_width=130, elem_id="start-run")
                stop = gr.Button("Stop", size="md", interactive=False, scale=0, min_width=90, elem_id="stop-run")
                remove = gr.Button(
                    "Undo the run", size="md", interactive=False, scale=0, min_width=140, elem_id="remove-run"
                )
            with gr.Accordion("How to fine-tune", open=False):
                with gr.Row():
                    steps, learning_rate = element(known["steps"]), element(known["learning_rate"])
                trainable, forgetting = element(known["trainable"]), element(known["forgetting"])
            status = gr.HTML(markup.no_run(), elem_id="run-status")
            with gr.Row():
                losses = chart("run-losses", height=360, min_width=300, visible=False)
                accuracy = chart("run-accuracy", height=360, min_width=300, visible=False)
        return cls(
            services, tab, steps, learning_rate, trainable, forgetting, start, stop, remove, status, losses, accuracy
        )

    @property
    def inputs(self) -> list[gr.components.Component]:
        return []

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.start, self.stop, self.remove, self.status, self.losses, self.accuracy]

    def render(self, session: Session, given: Given) -> Shown:
        """Return the state without a run: whether there is an edit to remove. :meth:`watch` shows an active run."""
        return {self.remove: gr.update(interactive=session.fine_tuned is not None)}

    @property
    def run(self) -> BackgroundRun[FineTuneRequest, Progress, FineTuned]:
        return app.fine_tuning.FINE_TUNING

    @property
    def starts(self) -> list[gr.Button]:
        return [self.start]

    @property
    def run_outputs(self) -> list[gr.components.Component]:
        return self.outputs

    def run_values(self, visitor: Visitor, status: Status[Progress, FineTuned] | None) -> Shown:
        shown = self.render(visitor.session, {})
        if status is None:
            cleared = gr.update(value=None, visible=False)
            return {**shown, self.status: markup.no_run(), self.losses: cleared, self.accuracy: cleared}
        if steps := app.fine_tuning.steps_of(status):
            shown[self.losses] = gr.update(value=drawn(loss_curves(steps)), visible=True)
            shown[self.accuracy] = gr.update(value=drawn(accuracy_curves(steps)), visible=True)
        return shown

    @property
    def settings(self) -> dict[str, gr.components.Component]:
        """The components for the fields of :class:`FineTuneRequest`, by the field's name."""
        return {
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "trainable": self.trainable,
            "forgetting": self.forgetting,
        }

    def values_for(self, asked: FineTuneRequest) -> Shown:
        """Return the values of ``settings`` that correspond to ``asked``."""
        return {component: getattr(asked, name) for name, component in self.settings.items()}

    def asked(self, forget: list[str], given: Given) -> FineTuneRequest:
        """Return the request to erase ``forget`` by fine-tuning."""
        return FineTuneRequest(forget, **{name: given[component] for name, component in self.settings.items()})

    def register_callbacks(self, visitor: gr.State) -> None:
        self.stop_on_click(visitor)
