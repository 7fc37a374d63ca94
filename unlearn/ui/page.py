"""The page: panels and tabs put together, and the events that concern more than one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn.ui import markup
from unlearn.ui.about_tab import build_about_tab
from unlearn.ui.api import register_endpoints
from unlearn.ui.api_exports import register_exports
from unlearn.ui.api_runs import register_runs
from unlearn.ui.audit_tab import AuditTab
from unlearn.ui.cliperase_tab import CLIPEraseTab
from unlearn.ui.collection_panel import CollectionPanel
from unlearn.ui.erase_panel import ErasePanel
from unlearn.ui.export_tab import ExportTab
from unlearn.ui.generation_tab import GenerationTab
from unlearn.ui.guard import on_screen
from unlearn.ui.links import Link, request_in_force
from unlearn.ui.loading import Provider
from unlearn.ui.model_panel import ModelPanel
from unlearn.ui.opening import follow_address, open_file
from unlearn.ui.retrieval_tab import RetrievalTab
from unlearn.ui.session import RETAIN_OWN, ErasureRequest, Session, Visitor
from unlearn.ui.trade_off_tab import TradeOffTab
from unlearn.ui.uploads_only import UploadsOnly
from unlearn.ui.zero_shot_tab import MOST_TELLING, ZeroShotTab

TITLE = "Unlearn: erase concepts from CLIP"
HEADER = (
    "<header class='u-header'><h1>Unlearn</h1><p>Erase a concept from CLIP and see at once what it still "
    "recognises, finds and draws. CCUP trains nothing: its edit is one matrix, solved in closed form.</p></header>"
)
EXAMPLE = "dog"

View = ZeroShotTab | RetrievalTab | GenerationTab | TradeOffTab | CLIPEraseTab | AuditTab | ExportTab


def build_demo(services: Provider) -> gr.Blocks:
    """Build the page; ``services`` is first called when somebody opens it."""
    demo = UploadsOnly(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86_400))
    with demo:
        visitor = gr.State(Visitor(), delete_callback=lambda visitor: services().leave(visitor))
        # Kept by the browser: a page that is reloaded finds the run that it started.
        key = gr.BrowserState("", storage_key="unlearn-visitor")
        gr.HTML(HEADER)
        with gr.Row(equal_height=False, elem_classes="u-page"):
            with gr.Column(scale=1, min_width=300, elem_classes="u-side"):
                panel = ErasePanel.build(EXAMPLE)
                model = ModelPanel.build(services)
                collection = CollectionPanel.build(services)
            with gr.Column(scale=3, min_width=300), gr.Tabs() as tabs:
                zero_shot = ZeroShotTab.build(services)
                retrieval = RetrievalTab.build(services, EXAMPLE)
                generation = GenerationTab.build(services, EXAMPLE)
                trade_off = TradeOffTab.build(services)
                cliperase = CLIPEraseTab.build(services)
                audit = AuditTab.build(services, EXAMPLE)
                export = ExportTab.build(services)
                build_about_tab()
        views = (zero_shot, retrieval, generation, trade_off, cliperase, audit, export)
        shared = (tabs, panel, model, collection, zero_shot, cliperase, audit, export)
        Page(services, visitor, key, gr.State(0), *shared, views).register(demo)
        panel.register_callbacks()
        model.register_callbacks()
        for view in views:
            view.register_callbacks(visitor)
        register_endpoints(services, visitor)
        register_runs(services, visitor)
        register_exports(services, visitor)
    return demo


@dataclass(frozen=True)
class Page:
    """The events that change what every view shows. ``front`` is the position of the open view among ``views``."""

    services: Provider
    visitor: gr.State
    key: gr.BrowserState
    front: gr.State
    tabs: gr.Tabs
    panel: ErasePanel
    model: ModelPanel
    collection: CollectionPanel
    zero_shot: ZeroShotTab
    cliperase: CLIPEraseTab
    audit: AuditTab
    export: ExportTab
    views: Sequence[View]

    @property
    def view_inputs(self) -> list[gr.components.Component]:
        return [component for view in self.views for component in view.inputs]

    @property
    def view_outputs(self) -> list[gr.components.Component]:
        return [component for view in self.views for component in view.outputs]

    def render(self, session: Session, front: int, values: Sequence[Any]) -> list[Any]:
        """The values of ``view_outputs`` from those of ``view_inputs``; views at the back are rendered when opened."""
        rendered, rest = [], list(values)
        for position, view in enumerate(self.views):
            own, rest = rest[: len(view.inputs)], rest[len(view.inputs) :]
            rendered += view.render(session, *own) if position == front else [gr.skip()] * len(view.outputs)
        return rendered

    @property
    def overview_outputs(self) -> list[gr.components.Component]:
        return [self.panel.summary, self.zero_shot.accuracy]

    def overview(self, session: Session) -> list[Any]:
        """The values of ``overview_outputs``: what the erasure costs, measured once for both."""
        summary = self.services().summary(session)
        return [markup.summary(summary, session.erased), markup.accuracy_table(summary.accuracy)]

    def start(self, request: gr.Request, visitor: Visitor, key: str, front: int, *values: Any) -> list[Any]:
        """What the address asks for, or a real example, so that the page opens with something to see.

        A page that is reloaded has the run that it started before.
        """
        from unlearn.ui.sources import alone, example_concept

        services = self.services()
        visitor.key = key or visitor.key
        services.run_of(visitor)
        example = example_concept(services.gallery, EXAMPLE)
        usual = Link(erasure=ErasureRequest([example]))
        link = follow_address(services, visitor, str(request.query_params), usual)
        erased = visitor.session.erased
        shown = erased[0] if erased and erased[0] in services.gallery.concepts else example
        session = visitor.change(picture=alone(services.clearest_picture(visitor.session, shown)))
        return [
            visitor,
            visitor.key,
            gr.Tabs(selected=self.cliperase.tab.id) if link.fine_tune else gr.skip(),
            *(self.cliperase.showing(link.fine_tune) if link.fine_tune else [gr.skip()] * 4),
            *self.model.opened(session),
            *self.model.showing(link.vocabulary),
            *self.panel_values(session),
            gr.update(choices=list(services.vocabulary_of(session).names)),
            gr.update(choices=[MOST_TELLING, *sorted(services.gallery.concepts)]),
            session.picture.pictures[0].load() if session.picture else None,
            *self.everything(session, front, values),
        ]

    def open_file(self, visitor: Visitor, front: int, file: str | None, *values: Any) -> list[Any]:
        """An erasure from a file: the panel asks for it, and everything is shown anew."""
        session = open_file(self.services(), visitor, file)
        return [None, *self.panel_values(session), *self.everything(session, front, values)]

    def panel_values(self, session: Session) -> list[Any]:
        """The values of the panel's inputs that ask for the erasure in force."""
        names = self.services().vocabulary_of(session).names
        return self.panel.showing(request_in_force(self.services(), session), names)

    @property
    def word_outputs(self) -> list[gr.components.Component]:
        return [self.panel.forget, self.panel.own_retain, self.zero_shot.labels]

    def word_lists(self, session: Session) -> list[dict[str, Any]]:
        """The values of ``word_outputs``: the lists that offer the vocabulary."""
        return [gr.update(choices=list(self.services().vocabulary_of(session).names)) for _ in self.word_outputs]

    def use_model(  # noqa: PLR0917  positions are how gradio passes values
        self,
        visitor: Visitor,
        front: int,
        model: str,
        vocabulary: str,
        own: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  how gradio hands it over
        *values: Any,
    ) -> list[Any]:
        """Another model or vocabulary: everything is shown anew."""

        def watch(what: str, done: int, total: int) -> None:
            progress(done / total if total else None, desc=what)

        session = self.model.switch(visitor, model, vocabulary, own, watch)
        return [*self.model.chosen(session), *self.word_lists(session), *self.everything(session, front, values)]

    def change_erasure(self, visitor: Visitor, front: int, *values: Any) -> Any:
        """Another erasure; with no concept named, none."""
        asked, values = ErasureRequest(*values[: len(self.panel.inputs)]), values[len(self.panel.inputs) :]
        if asked.retain == RETAIN_OWN and not asked.own_retain:
            return gr.skip()  # the list has just been opened, to be filled
        session = visitor.session
        if asked == request_in_force(self.services(), session):
            return gr.skip()  # the panel was told what is in force
        erasure = self.services().erase(session, asked) if asked.forget else None
        session = visitor.change(since=session, erasure=erasure)
        return [visitor, *self.overview(session), *self.render(session, front, values)]

    def add_pictures(
        self, visitor: Visitor, front: int, files: list[str] | None, concept: str, *values: Any
    ) -> list[Any]:
        session, outputs = self.collection.added(visitor, files, concept)
        return [*outputs, *self.everything(session, front, values)]

    def switch_pictures(self, visitor: Visitor, front: int, source: str, *values: Any) -> list[Any]:
        session, outputs = self.collection.switched(visitor, source)
        return [*outputs, *self.everything(session, front, values)]

    def refresh(self, visitor: Visitor, front: int, *values: Any) -> Any:
        """All that shows the edits in force, after CLIPErase has made one."""
        if visitor.session.fine_tuned is None:
            return gr.skip()
        return self.everything(visitor.session, front, values)

    def take_off(self, visitor: Visitor, front: int, *values: Any) -> list[Any]:
        """Without the fine-tuned model again."""
        return self.everything(self.services().remove_run(visitor), front, values)

    def everything(self, session: Session, front: int, values: Sequence[Any]) -> list[Any]:
        return [*self.overview(session), self.zero_shot.thumbnails(session), *self.render(session, front, values)]

    def register(self, demo: gr.Blocks) -> None:
        panel, model, collection, zero_shot = self.panel, self.model, self.collection, self.zero_shot
        everything = [*self.overview_outputs, zero_shot.strip, *self.view_outputs]
        common: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        loaded = demo.load(
            on_screen(self.start),
            [self.visitor, self.key, self.front, *self.view_inputs],
            [
                self.visitor,
                self.key,
                self.tabs,
                *self.cliperase.settings,
                *model.outputs,
                model.vocabulary,
                model.own,
                *panel.inputs,
                zero_shot.labels,
                zero_shot.shown,
                zero_shot.picture,
                *everything,
            ],
            api_visibility="private",
            show_progress="minimal",
        )
        gr.on(
            panel.triggers,
            on_screen(self.change_erasure),
            [self.visitor, self.front, *panel.inputs, *self.view_inputs],
            [self.visitor, *self.overview_outputs, *self.view_outputs],
            trigger_mode="always_last",  # a fast drag asks for its last place, not for every place it passed
            **common,
        )
        model.use.click(
            on_screen(self.use_model),
            [self.visitor, self.front, *model.inputs, *self.view_inputs],
            [*model.outputs, *self.word_outputs, *everything],
            api_visibility="private",
            show_progress_on=model.note,
        )
        collection.add.click(
            on_screen(self.add_pictures),
            [self.visitor, self.front, collection.files, collection.concept, *self.view_inputs],
            [*collection.outputs, *everything],
            api_visibility="private",
            show_progress_on=collection.note,
        )
        collection.source.input(
            on_screen(self.switch_pictures),
            [self.visitor, self.front, collection.source, *self.view_inputs],
            [*collection.outputs, *everything],
            **common,
        )
        self.close_leaks(common)
        self.export.upload.upload(
            on_screen(self.open_file),
            [self.visitor, self.front, self.export.upload, *self.view_inputs],
            [self.export.upload, *panel.inputs, *everything],
            api_visibility="private",
            show_progress_on=self.export.upload,
        )
        run, seen = self.cliperase, [self.visitor, self.front, *self.view_inputs]
        begun = gr.on(
            [run.start.click, self.audit.tune.click],
            on_screen(run.begin),
            [self.visitor, panel.forget, *run.settings],
            run.outputs,
            **common,
        )
        for event in (loaded, begun):
            event.then(run.watch, self.visitor, run.outputs, concurrency_limit=None, **common).then(
                on_screen(self.refresh), seen, everything, **common
            )
        loaded.then(self.audit.watch, self.visitor, self.audit.outputs, concurrency_limit=None, **common)
        run.remove.click(on_screen(self.take_off), seen, everything, **common)
        for position, view in enumerate(self.views):
            view.tab.select(
                on_screen(_opened(view, position)),
                [self.visitor, *view.inputs],
                [self.front, *view.outputs],
                **common,
            )

    def close_leaks(self, common: dict[str, Any]) -> None:
        """The buttons beside an audit, which change the edit on the left."""
        panel, audit = self.panel, self.audit
        audit.both_sides.click(lambda: "both", None, panel.side, **common).then(
            on_screen(self.change_erasure),
            [self.visitor, self.front, *panel.inputs, *self.view_inputs],
            [self.visitor, *self.overview_outputs, *self.view_outputs],
            **common,
        )
        # The list's own change asks for the new erasure.
        audit.words.click(on_screen(audit.with_leaking_words), [self.visitor, panel.forget], panel.forget, **common)
        audit.tune.click(lambda: gr.Info("CLIPErase has begun; its tab shows how far it is."), **common)


def _opened(view: View, position: int) -> Any:
    def opened(visitor: Visitor, *values: Any) -> Any:
        # The first tab is opened by the page itself, before :meth:`Page.start` gives it something to show.
        if visitor.session.picture is None:
            return gr.skip()
        return [position, *view.render(visitor.session, *values)]

    return opened
