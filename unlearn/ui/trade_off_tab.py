"""Trade-off: what erasing costs, as curves over strength and number of concepts, and in the geometry behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn.plots.bars import own_similarity_bars
from unlearn.plots.matrices import interference_matrix, similarity_matrix
from unlearn.plots.trade_off import count_curves, strength_curves
from unlearn.ui.guard import on_screen
from unlearn.ui.loading import Provider
from unlearn.ui.session import Session, Visitor

CURRENT = "Top-1 on the gallery, every label offered. The dashed line is where the slider stands."
STALE = "The erasure has changed since these curves were measured."
NOTHING = "Nothing is erased, so there is nothing to trade off. Name a concept on the left."


@dataclass(frozen=True)
class TradeOffTab:
    """The tab's components; ``render`` gives the values of ``outputs``. The curves outlast a move of the slider."""

    services: Provider
    tab: gr.Tab
    note: gr.HTML
    measure: gr.Button
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
                note = gr.HTML(f"<p class='u-small'>{CURRENT}</p>", elem_id="trade-off-note")
                measure = gr.Button(
                    "Measure again", size="sm", variant="primary", visible=False, elem_id="measure", scale=0
                )
            with gr.Row():
                by_strength = _plot(360, "by-strength")
                by_count = _plot(360, "by-count")
            gr.HTML("<h3>Cosine of pictures (rows) with texts (columns)</h3>")
            with gr.Row():
                before = _plot(400, "similarity-before")
                after = _plot(400, "similarity-after")
            with gr.Row(equal_height=False):
                with gr.Column(min_width=300):
                    gr.HTML(
                        "<h3>Cosine of pictures with their own text</h3>"
                        "<p class='u-small'>It should fall for what is erased and stay for what is kept.</p>"
                    )
                    own = _plot(400, "own-similarity")
                with gr.Column(min_width=300):
                    gr.HTML(
                        "<h3>Who is hurt by whom</h3>"
                        "<p class='u-small'>Erase a row alone, whole, in the paired form: how the right label's "
                        "probability changes in pictures of each column.</p>"
                    )
                    interference = _plot(400, "interference")
        return cls(services, tab, note, measure, by_strength, by_count, before, after, own, interference)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return []

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [*self.measured, self.before, self.after, self.own]

    @property
    def measured(self) -> list[gr.components.Component]:
        """What outlasts a move of the slider: the values of :meth:`curves`."""
        return [self.note, self.measure, self.by_strength, self.by_count, self.interference]

    def render(self, session: Session) -> list[Any]:
        from unlearn.ui import trade_offs

        if session.erasure is None:
            return [_note(NOTHING), gr.update(visible=False), *(gr.skip() for _ in self.outputs[2:])]
        geometry = trade_offs.geometry(self.services(), session)
        (first, before), *edited = geometry.similarity.items()
        last, after = edited[-1]
        return [
            *self.curves(session),
            similarity_matrix(before, geometry.names, session.erased, first, geometry.largest),
            similarity_matrix(after, geometry.names, session.erased, last, geometry.largest),
            own_similarity_bars(geometry.similarity, geometry.names, session.erased),
        ]

    def curves(self, session: Session) -> list[Any]:
        """The note, the button and the charts, as last measured."""
        from unlearn.ui import trade_offs

        if session.trade_off is None or session.erasure is None:
            return [gr.skip()] * len(self.measured)
        current = trade_offs.holds(self.services(), session)
        return [
            _note(CURRENT if current else STALE),
            gr.update(visible=not current),
            strength_curves(session.trade_off.by_strength, session.erasure.settings.strength),
            count_curves(session.trade_off.by_count),
            interference_matrix(session.trade_off.interference, session.erased),
        ]

    def register_callbacks(self, visitor: gr.State) -> None:
        def measure(
            visitor: Visitor,
            progress: gr.Progress = gr.Progress(),  # noqa: B008  how gradio hands it over
        ) -> list[Any]:
            session = visitor.session
            if session.erasure is None:
                return [_note(NOTHING), *(gr.skip() for _ in self.measured[1:])]
            from unlearn.ui import trade_offs

            measured = trade_offs.measure(
                self.services(),
                session,
                lambda done, total: progress((done, total), desc="Measuring", unit="points"),
            )
            return self.curves(visitor.change(since=session, trade_off=measured))

        gr.on(
            [self.tab.select, self.measure.click],
            on_screen(measure),
            visitor,
            self.measured,
            show_progress_on=[self.by_strength, self.by_count, self.interference],
            trigger_mode="once",
            api_visibility="private",
        )


def _plot(height: int, name: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, elem_id=name, elem_classes=f"u-plot-{height}", min_width=300)


def _note(text: str) -> str:
    return f"<p class='u-small'>{text}</p>"
