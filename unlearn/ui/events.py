"""Events of the page: their triggers, handlers, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from unlearn.app.session import Visitor
from unlearn.ui.components import ANSWERED, PRIVATE, QUIET, Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.handlers import Handlers
from unlearn.ui.screen import Screen, View

#: Takes the slider's position, and ends when it has come to rest.
FOLLOW_SLIDER = (Path(__file__).parent / "html" / "follow_slider.js").read_text(encoding="utf-8")
#: Puts the edit into the browser's address, so that a reload or the way back restores it.
KEEP_ADDRESS = """(query) => {
  const before = location.href.split('#')[0];
  history.replaceState(history.state, '', location.pathname + query);
  // Plotly clips by the whole address, as gradio's page has a <base>: at another one lines and legends would vanish.
  for (const part of document.querySelectorAll('.js-plotly-plot [clip-path]')) {
    part.setAttribute('clip-path', part.getAttribute('clip-path').replace(before, location.href.split('#')[0]));
  }
}"""


@dataclass(frozen=True)
class Events:
    """The events that no single tab owns; tabs register their own in ``register_callbacks``."""

    screen: Screen
    handlers: Handlers

    def register(self, demo: gr.Blocks) -> None:
        screen = self.screen
        loaded = self._opening(demo)
        self._changing()
        # The list's own change event requests the new erasure.
        for offers in (screen.panel.chips, screen.panel.summary, screen.collection.note):
            offers.click(
                on_screen(self.handlers.pick),
                {screen.visitor, screen.panel.forget},
                screen.panel.forget,
                trigger_mode="multiple",
                **QUIET,
            ).then(None, js=ANSWERED, **QUIET)
        self._closing_leaks()
        self._running(loaded)
        screen.address.change(None, screen.address, None, js=KEEP_ADDRESS, **QUIET)
        for run in (screen.generation, screen.trade_off, screen.audit, screen.audit.comparison):
            loaded.then(run.watch, screen.visitor, run.run_outputs, concurrency_limit=None, **QUIET)
        for position, view in enumerate(screen.views):
            view.tab.select(
                on_screen(_opened(screen, view, position)),
                {screen.visitor, *view.inputs},
                view.outputs,
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
                *screen.collection.kept,
                zero_shot.labels,
                zero_shot.shown,
                *screen.outputs,
            ],
            show_progress_on=[zero_shot.image, zero_shot.bars],
            **PRIVATE,
        )

    def _changing(self) -> None:
        """Register the events of the panels and of an opened file."""
        screen = self.screen
        panel, model, collection, upload = screen.panel, screen.model, screen.collection, screen.export.upload
        self._erasing(partial(gr.on, panel.triggers), trigger_mode="always_last")
        followed = panel.strength.input(None, panel.strength, js=FOLLOW_SLIDER, trigger_mode="multiple", **QUIET)
        self._erasing(followed.then, trigger_mode="always_last")
        self._erasing(panel.form.input(panel.offer_sides, [panel.form, panel.side], panel.side, **QUIET).then)
        for button, handler in ((panel.undo, self.handlers.undo), (panel.redo, self.handlers.redo)):
            self._anew(button.click, handler, outputs=panel.inputs, **QUIET)
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
        self._anew(collection.source.input, collection.switched, [collection.source], **QUIET)
        opened = self._anew(
            upload.upload,
            self.handlers.open_file,
            [upload],
            [upload, *panel.inputs],
            show_progress_on=upload,
            **PRIVATE,
        )
        self._watched(used)  # a change of model may cancel a CLIPErase run
        self._anew(self._watched(opened).then, self.handlers.after_opening, outputs=panel.inputs, **QUIET)

    def _closing_leaks(self) -> None:
        """Register the buttons under an audit, which change the edit."""
        screen, panel, audit = self.screen, self.screen.panel, self.screen.audit
        self._erasing(audit.both_sides.click(audit.with_texts, None, [panel.form, panel.side], **QUIET).then)
        # The list's own change event requests the new erasure.
        audit.words.click(on_screen(audit.with_leaking_words), [screen.visitor, panel.forget], panel.forget, **QUIET)

    def _running(self, loaded: Any) -> None:
        """Register CLIPErase runs, started here or before a reload: show the progress, then render every view again."""
        screen, run = self.screen, self.screen.cliperase
        asked: set[Block] = {screen.visitor, screen.panel.forget, *run.settings.values()}
        begun = run.start.click(on_screen(self.handlers.tune), asked, run.outputs, **QUIET)
        on_top = screen.audit.tune.click(on_screen(self.handlers.tune_on_top), asked, run.outputs, **QUIET)
        for event in (loaded, begun, on_top):
            self._anew(self._watched(event).then, self.handlers.after_run, **QUIET)
        self._watched(self._anew(run.remove.click, self.handlers.take_off, **QUIET))

    def _watched(self, event: Any) -> Any:
        """Show the visitor's run, or that there is none, in CLIPErase's tab after ``event``."""
        run = self.screen.cliperase
        return event.then(run.watch, self.screen.visitor, run.outputs, concurrency_limit=None, **QUIET)

    def _erasing(self, trigger: Callable[..., Any], **options: Any) -> None:
        """Make the panel's request active on ``trigger``."""
        screen = self.screen
        trigger(
            on_screen(self.handlers.change_erasure),
            {*screen.panel.inputs, *screen.inputs},
            [screen.visitor, *screen.outputs],
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
        """Call ``handler`` on ``trigger`` for values of ``outputs`` from ``inputs``, and render everything again.

        If the handler returns None, the screen stays unchanged.
        """
        screen = self.screen

        def handled(given: Given) -> Any:
            before = given[screen.visitor].session
            own = handler(given[screen.visitor], given)
            return gr.skip() if own is None else {**own, **screen.show(before, given)}

        return trigger(on_screen(handled), {*inputs, *screen.inputs}, [*outputs, *screen.outputs], **options)


def _opened(screen: Screen, view: View, position: int) -> Any:
    def opened(given: Given) -> Any:
        visitor: Visitor = given[screen.visitor]
        visitor.view = position
        # The page itself opens the first tab, before :meth:`Handlers.start` has given it any content.
        return view.render(visitor.session, given) or gr.skip() if visitor.session.image else gr.skip()

    return opened
