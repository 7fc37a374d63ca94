"""Is it gone? One button attacks the visitor's own edit; what would close a leak is one click away."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.plots.relearning import relearning_curves
from unlearn.ui.background import button_states, poll
from unlearn.ui.components import Given, Shown, chart
from unlearn.ui.guard import on_screen
from unlearn.ui.html import audit_markup
from unlearn.ui.html.templates import small
from unlearn.ui.tabs.comparison import ComparisonPart
from unlearn.ui.tabs.erase import ErasePanel

if TYPE_CHECKING:
    from unlearn.app.audits import AuditStatus

INTRO = small(
    "Erased need not mean gone. These attacks try to get the concept back out of your edited model, "
    "as somebody could who has the model and a few pictures. Each ends “held” or “leaked”; click one for its numbers."
)
LEARNING = small("Fine-tuned on a few pictures: the wider the line, the more.", heading="How fast it comes back")
AGAIN = "Attack again to see what that closed."
CLOSING = small(
    "Each changes the edit; then attack again. No projection of the joint space reaches the features before it, "
    "fine-tuning may.",
    heading="What would close a leak",
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
    learning: gr.Column
    curves: gr.Plot
    closing: gr.Column
    both_sides: gr.Button
    words: gr.Button
    tune: gr.Button
    comparison: ComparisonPart

    @classmethod
    def build(cls, services: Provider, example: str) -> AuditTab:
        with gr.Tab("Is it gone?", id="audit") as tab:
            gr.HTML(INTRO)
            with gr.Row(equal_height=True, elem_classes="u-prompt"):
                concept = gr.Dropdown(
                    [example], value=example, label="Erased concept", elem_id="attacked", scale=3, min_width=260
                )
                attack = gr.Button("Attack it", variant="primary", elem_id="attack", scale=1, min_width=110)
                stop = gr.Button("Stop", interactive=False, elem_id="stop-attack", scale=1, min_width=90)
            status = gr.HTML(audit_markup.no_audit(), elem_id="audit-status")
            findings = gr.HTML(elem_id="findings")
            with gr.Column(visible=False) as learning:
                gr.HTML(LEARNING)
                curves = chart("relearning", height=360)
            with gr.Column(visible=False, elem_id="closing") as closing:
                gr.HTML(CLOSING)
                with gr.Row(elem_classes="u-buttons"):
                    both_sides = gr.Button("Edit texts too", size="md", min_width=130)
                    words = gr.Button("Erase the leaking words too", size="md", min_width=220)
                    tune = gr.Button("Start CLIPErase on top", size="md", min_width=190)
            comparison = ComparisonPart.build(services)
        return cls(
            services, tab, concept, attack, stop, status, findings, learning, curves, closing, both_sides, words, tune,
            comparison,
        )  # fmt: skip

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.concept]

    @property
    def outputs(self) -> list[Any]:
        return [
            self.concept, self.attack, self.stop, self.status, self.findings, self.learning, self.curves, self.closing,
            self.words,
        ]  # fmt: skip

    def render(self, session: Session, given: Given) -> Shown:
        """What can be attacked now, and the last findings, with a note where the edit has changed since."""
        concept = given[self.concept]
        chosen = concept if concept in session.erased else next(iter(session.erased), None)
        shown: Shown = {self.concept: gr.update(choices=list(session.erased), value=chosen)}
        if session.audited is not None:
            shown[self.findings] = audit_markup.audited(session.audited, current=session.audited.is_of(session))
        return shown

    def updates_for(self, visitor: Visitor, status: AuditStatus | None) -> Shown:
        """Values of ``outputs`` for an audit as it is now."""
        attack, stop = button_states(status)
        shown: Shown = {self.attack: attack, self.stop: stop}
        if status is None:
            return shown
        shown[self.status] = audit_markup.audit_status(status)
        if status.result is not None:
            report = status.result.report
            lines = [curve for finding in report.findings for curve in finding.curves]
            shown |= {
                self.findings: audit_markup.audited(status.result, current=status.result.is_of(visitor.session)),
                self.learning: gr.update(visible=bool(lines)),
                self.closing: gr.update(visible=bool(report.leaks)),
                self.words: gr.update(visible=bool(report.new_words)),
            }
            if lines:
                shown[self.curves] = relearning_curves(lines)
        elif not status.ended and status.progress and (found := status.progress[-1].findings):
            hidden = gr.update(visible=False)
            shown |= {self.findings: audit_markup.findings(found), self.learning: hidden, self.closing: hidden}
        return shown

    async def watch(self, visitor: Visitor) -> AsyncIterator[Shown]:
        """Show the visitor's audit until it is complete, on whichever page it was started."""
        from unlearn.app.audits import audit_of

        async for status in poll(lambda: audit_of(self.services(), visitor)):
            yield self.updates_for(visitor, status)

    def begin(self, visitor: Visitor, concept: str | None) -> Shown:
        """Put the attacks in line."""
        from unlearn.app.audits import start_audit

        return self.updates_for(visitor, start_audit(self.services(), visitor, concept or ""))

    def end(self, visitor: Visitor) -> Shown:
        """Stop within a step; what was found before stays."""
        from unlearn.app.audits import stop_audit

        return self.updates_for(visitor, stop_audit(self.services(), visitor))

    def with_texts(self) -> list[Any]:
        """Projection and side that leave of the concept's texts nothing to search with."""
        gr.Info(f"Texts are edited too, by the nullspace form, which may cost the neighbours more. {AGAIN}")
        return ["nullspace", ErasePanel.offer_sides("nullspace", "both")]

    def with_leaking_words(self, visitor: Visitor, forget: list[str]) -> Any:
        """What to erase, and the words by which it leaked."""
        audited = visitor.session.audited
        erased = {name.casefold() for name in forget}
        words = [word for word in audited.report.new_words if word.casefold() not in erased] if audited else []
        if not words:
            gr.Info("No word leaked that is not erased already: this leak needs another edit.")
            return gr.skip()
        gr.Info(html.escape(f"Erased too: {', '.join(words)}. {AGAIN}"))
        return [*forget, *words]

    def register_callbacks(self, visitor: gr.State) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.attack.click(on_screen(self.begin), [visitor, self.concept], self.outputs, **quiet).then(
            self.watch, visitor, self.outputs, concurrency_limit=None, **quiet
        )
        self.stop.click(on_screen(self.end), visitor, self.outputs, queue=False, **quiet)
        self.comparison.register_callbacks(visitor)
