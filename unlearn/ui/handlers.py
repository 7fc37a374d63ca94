"""Handlers of the page's events: they change a visitor's session and return the values to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn import app
from unlearn.app.asked import RETAIN_OWN, ErasureRequest
from unlearn.app.session import Session, Visitor
from unlearn.errors import JobError
from unlearn.ui.components import Given, Shown, clicked
from unlearn.ui.opening import follow_address, open_file
from unlearn.ui.screen import EXAMPLE, Screen
from unlearn.ui.tabs.zero_shot import MOST_TELLING


@dataclass(frozen=True)
class Handlers:
    """The handlers; each changes the visitor's session and returns values for ``screen``."""

    screen: Screen

    def start(self, request: gr.Request, given: Given) -> Shown:
        """Open the page with the link in the address, or with a real example, so that there is something to see.

        A page that is reloaded shows the run that it started before.
        """
        screen, services = self.screen, self.screen.services()
        visitor: Visitor = given[screen.visitor]
        visitor.take_key(given[screen.key])
        app.fine_tuning.FINE_TUNING.find(services, visitor)
        usual = app.links.Link(erasure=ErasureRequest([app.examples.opening(services, visitor.session)]))
        link = follow_address(services, visitor, str(request.query_params), usual)
        before = visitor.change(image=None, focus=EXAMPLE, past=())  # the fields were built for the example
        followed = screen.show(before, given)
        session = visitor.session
        shown: Shown = {
            screen.visitor: visitor,
            screen.key: visitor.key,
            **screen.model.opened(session, link.vocabulary),
            **self.in_force(session),
            **screen.collection.shown(session),
            screen.zero_shot.labels: gr.update(choices=list(services.vocabulary_of(session).names)),
            screen.zero_shot.shown: gr.update(choices=[MOST_TELLING, *sorted(services.gallery.concepts)]),
            screen.zero_shot.image: session.image.images[0].load() if session.image else None,
            **followed,
        }
        if link.fine_tune and not session.fine_tuned:  # the run of a page that was reloaded has been found
            shown[screen.tabs] = gr.Tabs(selected=screen.cliperase.tab.id)
            shown |= screen.cliperase.values_for(link.fine_tune)
        return shown

    def in_force(self, session: Session) -> Shown:
        """Return the values of the panel's inputs that request the active erasure."""
        services = self.screen.services()
        names = services.vocabulary_of(session).names
        return self.screen.panel.values_for(app.requests.request_of(services, session), names)

    def pick(self, given: Given, event: gr.EventData) -> Shown:
        """Erase the clicked concept, stop erasing it, or erase it in place of another word."""
        screen = self.screen
        words = screen.services().vocabulary_of(given[screen.visitor].session)
        erase, *gone = (clicked(event, name) for name in ("erase", "keep", "instead"))
        forget = screen.panel.forget
        return {forget: app.requests.replaced(words, given[forget], erase, gone)}

    def change_erasure(self, given: Given) -> Any:
        """Erase the panel's concepts; without any, remove the erasure."""
        screen, services = self.screen, self.screen.services()
        visitor: Visitor = given[screen.visitor]
        asked = screen.panel.asked(given)
        if asked.retain == RETAIN_OWN and not asked.own_retain:
            return gr.skip()  # the list has just been opened and is still empty
        if app.requests.cleaned(asked) == app.requests.request_of(services, visitor.session):
            return gr.skip()  # the panel was set to the active erasure
        before = visitor.session
        session = app.requests.erase(services, visitor, asked) if asked.forget else visitor.change(erasure=None)
        followed = screen.follow(before, given)
        # The strip does not depend on the strength: a move of the slider leaves it in place.
        strip = {screen.zero_shot.strip: screen.zero_shot.thumbnails(session, given)}
        return {
            screen.visitor: visitor,
            **screen.overview(session),
            **followed,
            **(strip if session.erased != before.erased else {}),
            **screen.render({**given, **followed}),
        }

    def undo(self, visitor: Visitor, given: Given) -> Shown:
        """Return to the edit before the last change, and set the panel to it."""
        return self.in_force(app.requests.undo(visitor))

    def redo(self, visitor: Visitor, given: Given) -> Shown:
        """Return to the edit that was undone, and set the panel to it."""
        return self.in_force(app.requests.undo(visitor, again=True))

    def use_model(
        self,
        given: Given,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio passes it through the default
    ) -> Shown:
        """Switch to another model or vocabulary."""

        def watch(what: str, done: int, total: int) -> None:
            progress(done / total if total else None, desc=what)

        screen = self.screen
        before = given[screen.visitor].session
        session = screen.model.switch(given[screen.visitor], given, watch)
        names = list(screen.services().vocabulary_of(session).names)
        words: Shown = {words: gr.update(choices=names) for words in screen.word_lists}
        return {**screen.model.chosen(session), **words, **screen.show(before, given)}

    def open_file(self, visitor: Visitor, given: Given) -> Shown:
        """Open an erasure from a file, and set the panel to it."""
        upload = self.screen.export.upload
        return {upload: None, **self.in_force(open_file(self.screen.services(), visitor, given[upload]))}

    def tune(self, given: Given) -> Shown:
        """Start CLIPErase on the panel's concepts."""
        screen = self.screen
        tab = screen.cliperase
        return tab.begin(given[screen.visitor], tab.asked(given[screen.panel.forget], given))

    def tune_on_top(self, given: Given) -> Shown:
        """Start CLIPErase from another tab, on those of the panel's concepts that it has images of."""
        screen = self.screen
        visitor, forget = given[screen.visitor], given[screen.panel.forget]
        # Without a single one, the error names the panel's concepts.
        names = app.audits.learnable(screen.services(), visitor.session, forget) or forget
        shown = screen.cliperase.begin(visitor, screen.cliperase.asked(names, given))
        gr.Info("CLIPErase has begun; its tab shows how far it is. Attack again when it is done.")
        return shown

    def after_run(self, visitor: Visitor, given: Given) -> Shown | None:
        """Return no values if CLIPErase has made an edit, so that everything is rendered again; else None."""
        return {} if visitor.session.fine_tuned else None

    def after_opening(self, visitor: Visitor, given: Given) -> Shown | None:
        """Set the panel to the CCUP edit that the file held beside CLIPErase.

        Raises:
            JobError: the file could not be used.
        """
        status = app.imports.OPENING.find(self.screen.services(), visitor)
        if status and status.state == "failed":
            raise JobError(status.message)
        return self.in_force(visitor.session) if visitor.session.fine_tuned else None

    def take_off(self, visitor: Visitor, given: Given) -> Shown:
        """Remove the fine-tuned model."""
        app.fine_tuning.take_off(self.screen.services(), visitor)
        return {}
