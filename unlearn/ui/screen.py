"""Screen: all components of the page, and the values that show a visitor's session."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from unlearn import app
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.ui import tour
from unlearn.ui.components import Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.html import markup
from unlearn.ui.html.templates import fill
from unlearn.ui.tabs.about import build_about_tab
from unlearn.ui.tabs.audit import AuditTab
from unlearn.ui.tabs.cliperase import CLIPEraseTab
from unlearn.ui.tabs.collection import CollectionPanel
from unlearn.ui.tabs.erase import ErasePanel
from unlearn.ui.tabs.export import ExportTab
from unlearn.ui.tabs.generation import GenerationTab
from unlearn.ui.tabs.model import ModelPanel
from unlearn.ui.tabs.retrieval import RetrievalTab
from unlearn.ui.tabs.trade_off import TradeOffTab
from unlearn.ui.tabs.zero_shot import ZeroShotTab

#: What the fields hold before the services are loaded.
EXAMPLE = "dog"
#: Concepts to try under the list of what is erased.
CHIPS = 6

View = ZeroShotTab | RetrievalTab | GenerationTab | TradeOffTab | CLIPEraseTab | AuditTab | ExportTab


@dataclass(frozen=True)
class Screen:
    """The panels, the views in their tabs, and the state that the page keeps of its visitor.

    Attributes:
        key: stored by the browser, so that a page that is reloaded finds the run that it started.
    """

    services: Provider
    visitor: gr.State
    key: gr.BrowserState
    tabs: gr.Tabs
    tour: tour.Tour
    address: gr.Textbox
    panel: ErasePanel
    model: ModelPanel
    collection: CollectionPanel
    zero_shot: ZeroShotTab
    retrieval: RetrievalTab
    generation: GenerationTab
    trade_off: TradeOffTab
    cliperase: CLIPEraseTab
    audit: AuditTab
    export: ExportTab

    @classmethod
    def build(cls, services: Provider) -> Screen:
        visitor = gr.State(Visitor(), delete_callback=lambda visitor: services().end_session(visitor))
        key = gr.BrowserState("", storage_key="unlearn-visitor")
        gr.HTML(fill("header"))
        stories = tour.stories()
        with gr.Row(equal_height=False, elem_classes="u-page"):
            with gr.Column(scale=1, min_width=300, elem_classes="u-side"):
                panel = ErasePanel.build(EXAMPLE)
                model = ModelPanel.build(services)
                collection = CollectionPanel.build(services)
            with gr.Column(scale=3, min_width=300), gr.Tabs() as tabs:
                views = (
                    ZeroShotTab.build(services),
                    RetrievalTab.build(services, EXAMPLE),
                    GenerationTab.build(services, EXAMPLE),
                    TradeOffTab.build(services),
                    CLIPEraseTab.build(services),
                    AuditTab.build(services, EXAMPLE),
                    ExportTab.build(services),
                )
                build_about_tab()
            guide = tour.Tour.build(services, stories, {str(view.tab.id): view.tab for view in views})
        # In the page but out of sight: a component that is not there reports no change.
        address = gr.Textbox(elem_id="address", elem_classes="u-unseen", label="Address of this edit")
        return cls(services, visitor, key, tabs, guide, address, panel, model, collection, *views)

    @property
    def views(self) -> tuple[View, ...]:
        """The tabs that show the edit, from left to right."""
        return (
            self.zero_shot, self.retrieval, self.generation, self.trade_off, self.cliperase, self.audit, self.export,
        )  # fmt: skip

    @property
    def view_inputs(self) -> list[gr.components.Component]:
        return [component for view in self.views for component in view.inputs]

    @property
    def view_outputs(self) -> list[gr.components.Component]:
        return [component for view in self.views for component in view.outputs]

    @property
    def inputs(self) -> set[Block]:
        """The components that :meth:`render` and :meth:`show` read."""
        return {self.visitor, *self.view_inputs}

    def render(self, given: Given) -> Shown:
        """Return values of ``view_outputs`` from those of ``inputs``; other views are rendered when they are opened.

        An error in a view, such as an invalid label, does not block the other updates.
        """
        # Not the view that was open when the event was sent: another may have been opened since.
        visitor: Visitor = given[self.visitor]
        shown: Shown = on_screen(self.views[visitor.view].render, otherwise=lambda *_: {})(visitor.session, given)
        return shown

    @property
    def word_lists(self) -> list[gr.components.Component]:
        """The lists that offer the vocabulary."""
        return [self.panel.forget, self.panel.own_retain, self.zero_shot.labels]

    @property
    def overview_outputs(self) -> list[gr.components.Component]:
        zero_shot = self.zero_shot
        panel = self.panel
        return [
            self.address, panel.undo, panel.redo, panel.chips, panel.summary, zero_shot.accuracy, zero_shot.classes,
        ]  # fmt: skip

    def overview(self, session: Session) -> Shown:
        """Return values of ``overview_outputs``: the link, what undo offers, and what the edit costs."""
        services = self.services()
        summary = services.summary(session)
        top1 = app.by_strength.top1(services, session)
        known, hardly = app.examples.well_known(services, session), app.examples.hardly_known(services, session)
        return {
            self.address: app.links.link_or_why(services, session)[0],
            self.panel.undo: gr.update(interactive=bool(session.past)),
            self.panel.redo: gr.update(interactive=bool(session.future)),
            self.panel.chips: fill("chips", concepts=known[:CHIPS], erased=session.erased),
            self.panel.summary: markup.summary(summary, session.erased, hardly, known, top1),
            self.zero_shot.accuracy: fill("accuracy", accuracy=summary.accuracy, titles=session.titles),
            self.zero_shot.classes: markup.class_table(services.per_class(session), session.erased),
        }

    @property
    def following(self) -> list[gr.components.Component]:
        """The components that follow what is erased, until the visitor chooses their content."""
        return [self.zero_shot.image, self.zero_shot.strip, self.retrieval.query, self.generation.prompt]

    def follow(self, before: Session, given: Given) -> Shown:
        """Move the focus to what is erased now; return the values of ``following`` that differ from ``before``."""
        session = app.following.follow(self.services(), given[self.visitor])
        shown: Shown = {}
        if session.image is not before.image and session.image:
            shown[self.zero_shot.image] = session.image.images[0].load()
        defaults = {self.retrieval.query: app.following.query_for, self.generation.prompt: app.following.prompt_for}
        for field, default in defaults.items():
            text = app.following.followed(given[field], default, before, session)
            shown |= {field: text} if text != given[field] else {}
        return shown

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [*self.overview_outputs, *self.following, *self.view_outputs]

    def show(self, before: Session, given: Given) -> Shown:
        """Return values of ``outputs`` from those of ``inputs``: everything that depends on the session.

        Args:
            before: the session before the event.
            given: the values of ``inputs``.
        """
        followed = self.follow(before, given)
        session = given[self.visitor].session
        return {
            **self.overview(session),
            **followed,
            self.zero_shot.strip: self.zero_shot.thumbnails(session, given),
            **self.render({**given, **followed}),
        }
