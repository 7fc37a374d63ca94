"""Would another method do better? The same concepts erased by each: a part of the tab "Is it gone?"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from unlearn import app
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.plots.methods import method_scatter
from unlearn.ui.background import RunPart
from unlearn.ui.components import Shown, chart
from unlearn.ui.html import comparison_markup

if TYPE_CHECKING:
    from unlearn.app.background import BackgroundRun
    from unlearn.app.comparisons import Compared
    from unlearn.jobs import Progress, Status

INTRO = (
    "<h3>Would another method do better?</h3><p class='u-small'>The same concepts erased by each method and measured "
    "on the same pictures. In the chart, which has the table's numbers, further left and further up is better.</p>"
)


@dataclass(frozen=True)
class ComparisonPart(RunPart):
    """The part's components; a comparison is shown by :meth:`watch` and stays until the next is complete."""

    services: Provider
    compare: gr.Button
    stop: gr.Button
    training_too: gr.Checkbox
    status: gr.HTML
    scatter: gr.Plot
    table: gr.HTML

    @classmethod
    def build(cls, services: Provider) -> ComparisonPart:
        gr.HTML(INTRO, elem_classes="u-part")
        with gr.Row(elem_classes="u-buttons"):
            compare = gr.Button("Compare methods", size="md", scale=0, min_width=170, elem_id="compare")
            stop = gr.Button("Stop", size="md", interactive=False, scale=0, min_width=90, elem_id="stop-comparing")
            training_too = gr.Checkbox(
                False, label="Also those that train (minutes)", container=False, min_width=240, elem_id="training-too"
            )
        status = gr.HTML(elem_id="comparison-status")
        scatter = chart("methods", height=400, visible=False)
        table = gr.HTML(elem_id="compared")
        return cls(services, compare, stop, training_too, status, scatter, table)

    @property
    def run(self) -> BackgroundRun[bool, Progress, Compared]:
        return app.comparisons.COMPARISON

    @property
    def starts(self) -> list[gr.Button]:
        return [self.compare]

    @property
    def run_outputs(self) -> list[gr.components.Component]:
        return [self.compare, self.stop, self.status, self.scatter, self.table]

    def run_values(self, visitor: Visitor, status: Status[Progress, Compared] | None) -> Shown:
        shown = Shown()
        if status is not None and status.result is not None:
            outcomes = status.result.outcomes
            known = any(outcome.is_measured for outcome in outcomes)
            shown[self.scatter] = (
                gr.update(value=method_scatter(outcomes), visible=True) if known else gr.update(visible=False)
            )
            shown[self.table] = comparison_markup.compared(status.result)
        return shown

    def register_callbacks(self, visitor: gr.State) -> None:
        self.start_on([self.compare.click], visitor, [self.training_too], lambda given: given[self.training_too])
        self.stop_on_click(visitor)
