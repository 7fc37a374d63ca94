"""Trade-off tab: the cost of erasing, as curves over strength and number of concepts, and as similarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn import app
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.plots.bars import own_similarity_bars
from unlearn.plots.matrices import interference_matrix, similarity_matrix
from unlearn.plots.trade_off import count_curves, strength_curves
from unlearn.ui.background import RunPart
from unlearn.ui.components import QUIET, Given, Shown, chart, drawn
from unlearn.ui.guard import on_screen
from unlearn.ui.html.templates import small

if TYPE_CHECKING:
    from unlearn.app.edits import TradeOff
    from unlearn.app.runs.background import BackgroundRun
    from unlearn.progress import Progress, Status

NOTHING = "This measures what CCUP costs as it erases: name a concept under “Erase” first."
CURRENT = "Top-1 on the pictures, every label offered. The dashed line is where the slider stands."
STALE = "What is erased, or from which model, has changed since these curves were measured."


@dataclass(frozen=True)
class TradeOffTab(RunPart):
    """The tab's components; ``render`` returns values of ``outputs``. The curves stay when the slider moves.

    Opening the tab measures them, unless they are there already.
    """

    services: Provider
    tab: gr.Tab
    note: gr.HTML
    measure: gr.Button
    stop: gr.Button
    status: gr.HTML
    charts: gr.Column
    by_strength: gr.Plot
    by_count: gr.Plot
    before: gr.Plot
    after: gr.Plot
    own: gr.Plot
    interference: gr.Plot

    @classmethod
    def build(cls, services: Provider) -> TradeOffTab:
        with gr.Tab("Trade-off", id="trade-off") as tab:
            with gr.Row(elem_classes="u-strip-head"):
                note = gr.HTML(small(CURRENT), elem_id="trade-off-note")
                measure = gr.Button("Measure", size="sm", variant="primary", visible=False, elem_id="measure", scale=0)
                stop = gr.Button("Stop", size="sm", interactive=False, elem_id="stop-measuring", scale=0, min_width=90)
            status = gr.HTML(elem_id="trade-off-status")
            with gr.Column() as charts:
                with gr.Row():
                    by_strength = chart("by-strength", height=360, min_width=300)
                    by_count = chart("by-count", height=360, min_width=300)
                gr.HTML(
                    small(
                        "How close the pictures of each concept lie to each text; blank where there is no picture of "
                        "it.",
                        heading="Cosine of pictures (rows) with texts (columns)",
                    )
                )
                with gr.Row():
                    before = chart("similarity-before", height=400, min_width=300)
                    after = chart("similarity-after", height=400, min_width=300)
                with gr.Row(equal_height=False):
                    with gr.Column(min_width=300):
                        gr.HTML(
                            small(
                                "It should fall for what is erased and stay for what is kept.",
                                heading="Cosine of pictures with their own text",
                            )
                        )
                        own = chart("own-similarity", height=400, min_width=300)
                    with gr.Column(min_width=300):
                        gr.HTML(
                            small(
                                "Erase a row alone, whole, in the paired form: how the right label's probability "
                                "changes in pictures of each column.",
                                heading="Who is hurt by whom",
                            )
                        )
                        interference = chart("interference", height=400, min_width=300)
        return cls(
            services, tab, note, measure, stop, status, charts, by_strength, by_count, before, after, own, interference
        )

    @property
    def inputs(self) -> list[gr.components.Component]:
        return []

    @property
    def outputs(self) -> list[Any]:
        return [*self.measured, self.charts, self.before, self.after, self.own]

    @property
    def measured(self) -> list[gr.components.Component]:
        """The components that stay when the slider moves; :meth:`curves` returns their values."""
        return [self.note, self.measure, self.by_strength, self.by_count, self.interference]

    @property
    def run(self) -> BackgroundRun[None, Progress, TradeOff]:
        return app.trade_offs.TRADE_OFF

    @property
    def starts(self) -> list[gr.Button]:
        return [self.measure]

    @property
    def run_outputs(self) -> list[gr.components.Component]:
        return [self.stop, self.status, *self.measured]

    def run_values(self, visitor: Visitor, status: Status[Progress, TradeOff] | None) -> Shown:
        return self.curves(visitor.session) if status is None or status.ended else {}

    def render(self, session: Session, given: Given) -> Shown:
        if session.erasure is None:
            hidden = gr.update(visible=False)
            return {self.note: small(NOTHING), self.measure: hidden, self.charts: hidden}
        geometry = app.trade_offs.geometry(self.services(), session)
        (first, before), *edited = geometry.similarity.items()
        last, after = edited[-1]
        return {
            **self.curves(session),
            self.charts: gr.update(visible=True),
            self.before: drawn(similarity_matrix(before, geometry.names, session.erased, first, geometry.largest)),
            self.after: drawn(similarity_matrix(after, geometry.names, session.erased, last, geometry.largest)),
            self.own: drawn(own_similarity_bars(geometry.similarity, geometry.names, session.erased)),
        }

    def curves(self, session: Session) -> Shown:
        """Return the note, the button and the charts, as last measured."""
        if session.erasure is None:
            return {}
        if session.trade_off is None:
            return {self.note: small(CURRENT), self.measure: gr.update(visible=True, interactive=True)}
        current = app.trade_offs.holds(self.services(), session)
        note = " ".join([CURRENT, *app.trade_offs.remarks(self.services(), session)]) if current else STALE
        return {
            self.note: small(note),
            self.measure: gr.update(visible=not current, interactive=True),
            self.by_strength: drawn(strength_curves(session.trade_off.by_strength, session.erasure.settings.strength)),
            self.by_count: drawn(count_curves(session.trade_off.by_count)),
            self.interference: drawn(interference_matrix(session.trade_off.interference, session.erased)),
        }

    def opened(self, visitor: Visitor) -> Shown:
        """Start to measure, unless there is nothing to measure, the curves are current, or a run is active."""
        services = self.services()
        status, session = self.run.find(services, visitor), visitor.session
        if session.erasure is None or app.trade_offs.holds(services, session) or (status and not status.ended):
            return self.updates_for(visitor, status)
        return self.begin(visitor, None)

    def register_callbacks(self, visitor: gr.State) -> None:
        self.start_on([self.measure.click], visitor, [], lambda given: None)
        self.tab.select(on_screen(self.opened), visitor, self.run_outputs, **QUIET).then(
            self.watch, visitor, self.run_outputs, concurrency_limit=None, **QUIET
        )
        self.stop_on_click(visitor)
