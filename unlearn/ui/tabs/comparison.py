"""Would another method do better? The same concepts erased by each: a part of the tab "Is it gone?"."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.plots.methods import method_scatter
from unlearn.ui.background import button_states, poll
from unlearn.ui.components import Shown, chart
from unlearn.ui.guard import on_screen
from unlearn.ui.html import comparison_markup
from unlearn.ui.html.templates import small

if TYPE_CHECKING:
    from unlearn.app.comparisons import ComparisonStatus

INTRO = small(
    "The same concepts erased by each method and measured on the same pictures. In the chart, which has the table's "
    "numbers, further left and further up is better.",
    heading="Would another method do better?",
)


@dataclass(frozen=True)
class ComparisonPart:
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
    def outputs(self) -> list[gr.components.Component]:
        return [self.compare, self.stop, self.status, self.scatter, self.table]

    def updates_for(self, status: ComparisonStatus | None) -> Shown:
        """Values of ``outputs`` for a comparison as it is now."""
        compare, stop = button_states(status)
        shown: Shown = {self.compare: compare, self.stop: stop}
        if status is None:
            return shown
        shown[self.status] = comparison_markup.comparison_status(status)
        if status.result is not None:
            outcomes = status.result.outcomes
            known = any(outcome.is_measured for outcome in outcomes)
            shown[self.scatter] = (
                gr.update(value=method_scatter(outcomes), visible=True) if known else gr.update(visible=False)
            )
            shown[self.table] = comparison_markup.compared(status.result)
        return shown

    async def watch(self, visitor: Visitor) -> AsyncIterator[Shown]:
        """Show the visitor's comparison until it is complete, on whichever page it was started."""
        from unlearn.app.comparisons import comparison_of

        async for status in poll(lambda: comparison_of(self.services(), visitor)):
            yield self.updates_for(status)

    def begin(self, visitor: Visitor, training_too: bool) -> Shown:
        """Put the other methods in line."""
        from unlearn.app.comparisons import start_comparison

        return self.updates_for(start_comparison(self.services(), visitor, training_too))

    def end(self, visitor: Visitor) -> Shown:
        """Stop within a step; what was compared before stays."""
        from unlearn.app.comparisons import stop_comparison

        return self.updates_for(stop_comparison(self.services(), visitor))

    def register_callbacks(self, visitor: gr.State) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.compare.click(on_screen(self.begin), [visitor, self.training_too], self.outputs, **quiet).then(
            self.watch, visitor, self.outputs, concurrency_limit=None, **quiet
        )
        self.stop.click(on_screen(self.end), visitor, self.outputs, queue=False, **quiet)
