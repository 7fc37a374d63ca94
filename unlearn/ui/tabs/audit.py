"""Audit tab: one button attacks the visitor's own edit, and one click applies each fix for a leak."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn import app
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.plots.methods import method_scatter
from unlearn.plots.relearning import relearning_curves
from unlearn.ui.background import RunPart
from unlearn.ui.components import Given, Shown, chart, drawn
from unlearn.ui.html.findings import found, no_audit
from unlearn.ui.html.templates import fill, small
from unlearn.ui.tabs.erase import ErasePanel

if TYPE_CHECKING:
    from unlearn.app.edits import Audited
    from unlearn.app.runs.background import BackgroundRun
    from unlearn.app.runs.comparisons import ComparedMethods
    from unlearn.attacks.audit import AuditProgress
    from unlearn.progress import Status
    from unlearn.sweeps.comparison import ComparisonProgress

INTRO = small(
    "Erased need not mean gone. These attacks try to get the concept back out of your edited model, "
    "as somebody could who has the model and a few pictures. Click one for its numbers."
)
LEARNING = small("Fine-tuned on a few pictures: the wider the line, the more.", heading="How fast it comes back")
AGAIN = "Attack again to see what that closed."
CLOSING = small(
    "Each changes the edit; then attack again. No projection of the joint space reaches the features before it, "
    "fine-tuning may.",
    heading="What would close a leak",
)
COMPARE = small(
    "The same concepts erased by each method and measured on the same pictures. In the chart, which has the table's "
    "numbers, further left and further up is better.",
    heading="Would another method do better?",
)


@dataclass(frozen=True)
class ComparisonPart(RunPart):
    """Comparison with other methods, shown by :meth:`watch` as it grows; the last result stays until then."""

    services: Provider
    compare: gr.Button
    stop: gr.Button
    training_too: gr.Checkbox
    status: gr.HTML
    scatter: gr.Plot
    table: gr.HTML

    @classmethod
    def build(cls, services: Provider) -> ComparisonPart:
        gr.HTML(COMPARE, elem_classes="u-part")
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
    def run(self) -> BackgroundRun[bool, ComparisonProgress, ComparedMethods]:
        return app.comparisons.COMPARISON

    @property
    def starts(self) -> list[gr.Button]:
        return [self.compare]

    @property
    def run_outputs(self) -> list[gr.components.Component]:
        return [self.compare, self.stop, self.status, self.scatter, self.table]

    def run_values(self, visitor: Visitor, status: Status[ComparisonProgress, ComparedMethods] | None) -> Shown:
        shown = Shown()
        if status is not None and (outcomes := app.comparisons.outcomes_of(status)):
            known = any(outcome.is_measured for outcome in outcomes)
            shown[self.scatter] = (
                gr.update(value=drawn(method_scatter(outcomes)), visible=True) if known else gr.update(visible=False)
            )
            shown[self.table] = fill("compared", outcomes=outcomes, result=status.result)
        return shown

    def register_callbacks(self, visitor: gr.State) -> None:
        self.start_on([self.compare.click], visitor, [self.training_too], lambda given: given[self.training_too])
        self.stop_on_click(visitor)


@dataclass(frozen=True)
class AuditTab(RunPart):
    """The tab's components. An audit is shown by :meth:`watch` while it runs; its result stays until the next one."""

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
            status = gr.HTML(no_audit(), elem_id="audit-status")
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
        """Return the concepts to choose from, and the last findings, with a note if the edit has changed since."""
        concept = given[self.concept]
        chosen = concept if concept in session.erased else next(iter(session.erased), None)
        shown: Shown = {
            self.concept: gr.update(
                choices=list(session.erased), value=chosen, info="" if chosen else "Erase a concept first."
            ),
            self.attack: gr.update(visible=chosen is not None),
        }
        if session.audited is not None:
            shown[self.findings] = found(session.audited.report, current=session.audited.is_of(session))
        return shown

    @property
    def run(self) -> BackgroundRun[str, AuditProgress, Audited]:
        return app.audits.AUDIT

    @property
    def starts(self) -> list[gr.Button]:
        return [self.attack]

    @property
    def run_outputs(self) -> list[Any]:
        return self.outputs

    def run_values(self, visitor: Visitor, status: Status[AuditProgress, Audited] | None) -> Shown:
        shown = Shown()
        if status is None:
            return shown
        if status.result is not None:
            report = status.result.report
            lines = [curve for finding in report.findings for curve in finding.curves]
            shown |= {
                self.findings: found(report, current=status.result.is_of(visitor.session)),
                self.learning: gr.update(visible=bool(lines)),
                self.closing: gr.update(visible=bool(report.leaks or report.new_words)),
                self.words: gr.update(visible=bool(report.new_words)),
            }
            if lines:
                shown[self.curves] = drawn(relearning_curves(lines))
        elif status.progress and status.progress[-1].report.findings:
            hidden = gr.update(visible=False)
            shown |= {
                self.findings: found(status.progress[-1].report),
                self.learning: hidden,
                self.closing: hidden,
            }
        return shown

    def with_texts(self) -> list[Any]:
        """Set the form and side of the projection that remove the concept from texts, so that no query finds it."""
        gr.Info(f"Texts are edited too, by the nullspace form, which may cost the neighbours more. {AGAIN}")
        return ["nullspace", ErasePanel.offer_sides("nullspace", "both")]

    def with_leaking_words(self, visitor: Visitor, forget: list[str]) -> Any:
        """Return the concepts to erase, with the words through which the concept leaked."""
        audited = visitor.session.audited
        erased = {name.casefold() for name in forget}
        words = [word for word in audited.report.new_words if word.casefold() not in erased] if audited else []
        if not words:
            gr.Info("No word leaked that is not erased already: this leak needs another edit.")
            return gr.skip()
        gr.Info(html.escape(f"Erased too: {', '.join(words)}. {AGAIN}"))
        return [*forget, *words]

    def register_callbacks(self, visitor: gr.State) -> None:
        self.start_on([self.attack.click], visitor, [self.concept], lambda given: given[self.concept] or "")
        self.stop_on_click(visitor)
        self.comparison.register_callbacks(visitor)
