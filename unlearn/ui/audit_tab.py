"""Is it gone? One button attacks the visitor's own edit; what would close a leak is one click away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn.plots.methods import method_scatter
from unlearn.plots.relearning import relearning_curves
from unlearn.ui import audit_markup
from unlearn.ui.background import followed, switches
from unlearn.ui.guard import on_screen
from unlearn.ui.loading import Provider
from unlearn.ui.session import Session, Visitor

if TYPE_CHECKING:
    from unlearn.ui.audits import AuditStatus

INTRO = (
    "<p class='u-small'>Erased need not mean gone. These attacks try to get the concept back out of your edited model, "
    "as somebody could who has the model and a few pictures. Each ends “held” or “leaked”; click one for its numbers."
    "</p>"
)


@dataclass(frozen=True)
class AuditTab:
    """The tab's components; an audit is shown by :meth:`watch`, as it goes, and stays until the next is complete."""

    services: Provider
    tab: gr.Tab
    concept: gr.Dropdown
    attack: gr.Button
    stop: gr.Button
    status: gr.HTML
    findings: gr.HTML
    curves: gr.Plot
    closing: gr.Group
    both_sides: gr.Button
    words: gr.Button
    tune: gr.Button
    compare: gr.Button
    training_too: gr.Checkbox
    table: gr.HTML
    scatter: gr.Plot

    @classmethod
    def build(cls, services: Provider, example: str) -> AuditTab:
        with gr.Tab("Is it gone?", id="audit") as tab:
            gr.HTML(INTRO)
            with gr.Row(equal_height=True, elem_classes="u-prompt"):
                concept = gr.Dropdown(
                    [example], value=example, label="Erased concept", elem_id="attacked", scale=3, min_width=180
                )
                attack = gr.Button("Attack it", variant="primary", elem_id="attack", scale=1, min_width=110)
                stop = gr.Button("Stop", interactive=False, elem_id="stop-attack", scale=1, min_width=90)
            status = gr.HTML(audit_markup.no_audit(), elem_id="audit-status")
            findings = gr.HTML(elem_id="findings")
            curves = gr.Plot(
                visible=False, show_label=False, container=False, elem_id="relearning", elem_classes="u-plot-360"
            )
            with gr.Column(visible=False, elem_id="closing") as closing:
                gr.HTML(
                    "<h3>What would close a leak</h3><p class='u-small'>Changes the edit on the left; then attack "
                    "again. No projection of the joint space reaches the features before it, fine-tuning may.</p>"
                )
                with gr.Row():
                    both_sides = gr.Button("Edit texts too", size="sm", min_width=130)
                    words = gr.Button("Erase the leaking words too", size="sm", min_width=190)
                    tune = gr.Button("Start CLIPErase on top", size="sm", min_width=170)
            with gr.Row(elem_classes="u-head"):
                gr.HTML(
                    "<h3>Would another method do better?</h3><p class='u-small'>The same concepts, erased by each and "
                    "measured on the same pictures.</p>"
                )
                training_too = gr.Checkbox(
                    False, label="Also those that train (minutes)", container=False, scale=0, min_width=240
                )
                compare = gr.Button("Compare methods", size="sm", elem_id="compare", scale=0, min_width=150)
            scatter = gr.Plot(
                visible=False, show_label=False, container=False, elem_id="methods", elem_classes="u-plot-400"
            )
            table = gr.HTML(elem_id="compared")
        return cls(
            services, tab, concept, attack, stop, status, findings, curves, closing, both_sides, words, tune, compare,
            training_too, table, scatter,
        )  # fmt: skip

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.concept]

    @property
    def outputs(self) -> list[Any]:
        return [
            self.concept, self.attack, self.compare, self.stop, self.status, self.findings, self.curves, self.closing,
            self.table, self.scatter,
        ]  # fmt: skip

    def render(self, session: Session, concept: str | None) -> list[Any]:
        """What can be attacked now, and the last findings, with a note where the edit has changed since."""
        chosen = concept if concept in session.erased else next(iter(session.erased), None)
        shown: Any = gr.skip()
        if session.audited is not None:
            shown = audit_markup.audited(session.audited, current=session.audited.is_of(session))
        kept = [gr.skip()] * 4
        return [gr.update(choices=list(session.erased), value=chosen), *kept, shown, *kept]

    def of_status(self, visitor: Visitor, status: AuditStatus | None) -> list[Any]:
        """The values of ``outputs`` for an audit or a comparison as it is now."""
        start, stop = switches(status)
        buttons = [gr.skip(), start, start, stop]
        if status is None:
            return [*buttons, *[gr.skip()] * 6]
        from unlearn.ui.audits import Audited, Compared

        shown: list[Any] = [gr.skip()] * 5
        result, last = status.result, status.progress[-1] if status.progress else None
        if isinstance(result, Audited):
            curves = [curve for finding in result.report.findings for curve in finding.curves]
            chart = gr.update(value=relearning_curves(curves), visible=True) if curves else gr.update(visible=False)
            html = audit_markup.audited(result, current=result.is_of(visitor.session))
            shown = [html, chart, gr.update(visible=bool(result.report.leaks)), gr.skip(), gr.skip()]
        elif isinstance(result, Compared):
            chart = gr.update(value=method_scatter(result.outcomes), visible=True)
            shown = [*[gr.skip()] * 3, audit_markup.compared(result), chart]
        elif not status.ended and (found := getattr(last, "findings", ())):
            shown = [audit_markup.findings(found), gr.update(visible=False), gr.update(visible=False), *[gr.skip()] * 2]
        return [*buttons, audit_markup.audit_status(status), *shown]

    async def watch(self, visitor: Visitor) -> AsyncIterator[list[Any]]:
        """Show the visitor's audit until it is complete, on whichever page it was started."""
        from unlearn.ui.audits import audit_of

        async for status in followed(lambda: audit_of(self.services(), visitor)):
            yield self.of_status(visitor, status)

    def begin(self, visitor: Visitor, concept: str | None) -> list[Any]:
        """Put the attacks in line."""
        from unlearn.ui.audits import start_audit

        return self.of_status(visitor, start_audit(self.services(), visitor, concept or ""))

    def begin_comparison(self, visitor: Visitor, training_too: bool) -> list[Any]:
        """Put the other methods in line."""
        from unlearn.ui.audits import start_comparison

        return self.of_status(visitor, start_comparison(self.services(), visitor, training_too))

    def end(self, visitor: Visitor) -> list[Any]:
        """Stop within a step; what was found before stays."""
        from unlearn.ui.audits import stop_audit

        return self.of_status(visitor, stop_audit(self.services(), visitor))

    def with_leaking_words(self, visitor: Visitor, forget: list[str]) -> Any:
        """What to erase, and the words by which it leaked."""
        audited = visitor.session.audited
        words = [word for word in audited.report.new_words if word not in forget] if audited else []
        if not words:
            gr.Info("No word leaked that is not erased already: this leak needs another edit.")
            return gr.skip()
        return [*forget, *words]

    def register_callbacks(self, visitor: gr.State) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        for button, handler, asked in (
            (self.attack, self.begin, self.concept),
            (self.compare, self.begin_comparison, self.training_too),
        ):
            button.click(on_screen(handler), [visitor, asked], self.outputs, **quiet).then(
                self.watch, visitor, self.outputs, concurrency_limit=None, **quiet
            )
        self.stop.click(on_screen(self.end), visitor, self.outputs, queue=False, **quiet)
