"""Which event of the page calls which handler, with what, and what it changes on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from unlearn.app.session import Visitor
from unlearn.ui.components import Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.handlers import Handlers
from unlearn.ui.screen import Screen, View

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUIET = PRIVATE | {"show_progress": "hidden"}


@dataclass(frozen=True)
class Events:
    """The events that change what every view shows."""

    screen: Screen
    handlers: Handlers

    def register(self, demo: gr.Blocks) -> None:
        screen = self.screen
        loaded = self._opening(demo)
        self._changing()
        self._closing_leaks()
        self._running(loaded)
        for run in (screen.audit, screen.audit.comparison):
            loaded.then(run.watch, screen.visitor, run.run_outputs, concurrency_limit=None, **QUIET)
        for position, view in enumerate(screen.views):
            view.tab.select(
                on_screen(_opened(screen, view, position)),
                {screen.visitor, *view.inputs},
                [screen.front, *view.outputs],
                **QUIET,
            )

    def _opening(self, demo: gr.Blocks) -> Any:
        screen = self.screen
        panel, model, zero_shot = screen.panel, screen.model, screen.zero_shot
        return demo.load(
            on_screen(self.handlers.start),
            {screen.key, *screen.inputs},
            [
                screen.visitor,
                screen.key,
                screen.tabs,
                *screen.cliperase.settings.values(),
                *model.outputs,
                *panel.inputs,
                zero_shot.labels,
                zero_shot.shown,
                zero_shot.picture,
                *screen.outputs,
            ],
            show_progress_on=[zero_shot.picture, zero_shot.bars],
            **PRIVATE,
        )

    def _changing(self) -> None:
        """What the panels and an opened file change."""
        screen = self.screen
        panel, model, collection, upload = screen.panel, screen.model, screen.collection, screen.export.upload
        # A fast drag asks for its last place, not for every place it passed.
        self._erasing(partial(gr.on, panel.triggers), trigger_mode="always_last")
        self._erasing(panel.form.input(panel.offer_sides, [panel.form, panel.side], panel.side, **QUIET).then)
        used = model.use.click(
            on_screen(self.handlers.use_model),
            {*model.inputs, *screen.inputs},
            [*model.outputs, *screen.word_lists, *screen.outputs],
            show_progress_on=model.note,
            **PRIVATE,
        )
        self._anew(
            collection.add.click,
            collection.added,
            [collection.files, collection.concept],
            collection.outputs,
            show_progress_on=collection.note,
            **PRIVATE,
        )
        self._anew(collection.source.input, collection.switched, [collection.source], collection.outputs, **QUIET)
        opened = self._anew(
            upload.upload,
            self.handlers.open_file,
            [upload],
            [upload, *panel.inputs],
            show_progress_on=upload,
            **PRIVATE,
        )
        self._watched(used)  # it may end what CLIPErase had begun
        self._anew(self._watched(opened).then, self.handlers.after_opening, outputs=panel.inputs, **QUIET)

    def _closing_leaks(self) -> None:
        """The buttons under an audit, which change the edit."""
        screen, panel, audit = self.screen, self.screen.panel, self.screen.audit
        self._erasing(audit.both_sides.click(audit.with_texts, None, [panel.form, panel.side], **QUIET).then)
        # The list's own change asks for the new erasure.
        audit.words.click(on_screen(audit.with_leaking_words), [screen.visitor, panel.forget], panel.forget, **QUIET)

    def _running(self, loaded: Any) -> None:
        """CLIPErase, begun here or before the page was reloaded: watched, and then part of every view."""
        screen, run = self.screen, self.screen.cliperase
        asked: set[Block] = {screen.visitor, screen.panel.forget, *run.settings.values()}
        begun = run.start.click(on_screen(self.handlers.tune), asked, run.outputs, **QUIET)
        on_top = screen.audit.tune.click(on_screen(self.handlers.tune_on_top), asked, run.outputs, **QUIET)
        for event in (loaded, begun, on_top):
            self._anew(self._watched(event).then, self.handlers.after_run, **QUIET)
        self._watched(self._anew(run.remove.click, self.handlers.take_off, **QUIET))

    def _watched(self, event: Any) -> Any:
        """After ``event``, CLIPErase's tab shows the visitor's run as it goes, or that there is none."""
        run = self.screen.cliperase
        return event.then(run.watch, self.screen.visitor, run.outputs, concurrency_limit=None, **QUIET)

    def _erasing(self, trigger: Callable[..., Any], **options: Any) -> None:
        """On ``trigger``, what the panel asks for becomes active."""
        screen = self.screen
        trigger(
            on_screen(self.handlers.change_erasure),
            {*screen.panel.inputs, *screen.inputs},
            [screen.visitor, *screen.overview_outputs, *screen.view_outputs],
            **QUIET,
            **options,
        )

    def _anew(
        self,
        trigger: Callable[..., Any],
        handler: Callable[[Visitor, Given], Shown | None],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        **options: Any,
    ) -> Any:
        """On ``trigger``, ``handler`` gives values of ``outputs`` from ``inputs``, and everything is shown again.

        Where it gives None, all stays as it is.
        """
        screen = self.screen

        def handled(given: Given) -> Any:
            own = handler(given[screen.visitor], given)
            return gr.skip() if own is None else {**own, **screen.show(given)}

        return trigger(on_screen(handled), {*inputs, *screen.inputs}, [*outputs, *screen.outputs], **options)


def _opened(screen: Screen, view: View, position: int) -> Any:
    def opened(given: Given) -> Any:
        session = given[screen.visitor].session
        # The first tab is opened by the page itself, before :meth:`Handlers.start` gives it something to show.
        return {screen.front: position, **view.render(session, given)} if session.picture else gr.skip()

    return opened
