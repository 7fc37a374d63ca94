"""What the page's events do to a visitor's session, and what they show of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn.errors import JobError
from unlearn.ui.links import Link, request_in_force
from unlearn.ui.opening import follow_address, open_file
from unlearn.ui.screen import EXAMPLE, Screen
from unlearn.ui.session import RETAIN_OWN, ErasureRequest, Session, Visitor
from unlearn.ui.zero_shot_tab import MOST_TELLING


@dataclass(frozen=True)
class Handlers:
    """What each does to the visitor's session, and the values of what it changes on ``screen``."""

    screen: Screen

    def start(self, request: gr.Request, visitor: Visitor, key: Any, front: int, *values: Any) -> list[Any]:
        """What the address asks for, or a real example, so that the page opens with something to see.

        A page that is reloaded has the run that it started before.
        """
        from unlearn.ui.runs import run_of
        from unlearn.ui.sources import alone, example_concept

        screen, services = self.screen, self.screen.services()
        visitor.take_key(key)
        run_of(services, visitor)
        example = example_concept(services.gallery, EXAMPLE)
        usual = Link(erasure=ErasureRequest([example]))
        link = follow_address(services, visitor, str(request.query_params), usual)
        erased = visitor.session.erased
        shown = erased[0] if erased and erased[0] in services.gallery.concepts else example
        session = visitor.change(picture=alone(services.clearest_picture(visitor.session, shown)))
        return [
            visitor,
            visitor.key,
            gr.Tabs(selected=screen.cliperase.tab.id) if link.fine_tune else gr.skip(),
            *(screen.cliperase.showing(link.fine_tune) if link.fine_tune else [gr.skip()] * 4),
            *screen.model.opened(session),
            *screen.model.showing(link.vocabulary),
            *self.in_force(session),
            gr.update(choices=list(services.vocabulary_of(session).names)),
            gr.update(choices=[MOST_TELLING, *sorted(services.gallery.concepts)]),
            session.picture.pictures[0].load() if session.picture else None,
            *screen.show(session, front, values),
        ]

    def in_force(self, session: Session) -> list[Any]:
        """The values of the panel's inputs that ask for the erasure in force."""
        services = self.screen.services()
        names = services.vocabulary_of(session).names
        return self.screen.panel.showing(request_in_force(services, session), names)

    def change_erasure(self, visitor: Visitor, front: int, *values: Any) -> Any:
        """Another erasure; with no concept named, none."""
        services, width = self.screen.services(), len(self.screen.panel.inputs)
        asked = ErasureRequest(*values[:width])
        if asked.retain == RETAIN_OWN and not asked.own_retain:
            return gr.skip()  # the list has just been opened, to be filled
        session = visitor.session
        if asked == request_in_force(services, session):
            return gr.skip()  # the panel was told what is in force
        erasure = services.erase(session, asked) if asked.forget else None
        session = visitor.change(since=session, erasure=erasure)
        return [visitor, *self.screen.overview(session), *self.screen.render(session, front, values[width:])]

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
        """Another model or vocabulary."""

        def watch(what: str, done: int, total: int) -> None:
            progress(done / total if total else None, desc=what)

        screen = self.screen
        session = screen.model.switch(visitor, model, vocabulary, own, watch)
        names = list(screen.services().vocabulary_of(session).names)
        words = [gr.update(choices=names) for _ in screen.word_lists]
        return [*screen.model.chosen(session), *words, *screen.show(session, front, values)]

    def open_file(self, visitor: Visitor, file: str | None) -> list[Any]:
        """An erasure from a file; the panel asks for it, or once it is encoded :meth:`after_opening` does."""
        return [None, *self.in_force(open_file(self.screen.services(), visitor, file))]

    def tune_on_top(self, visitor: Visitor, forget: list[str], *values: Any) -> list[Any]:
        """CLIPErase, begun from another tab than its own, for what it can learn to forget."""
        from unlearn.ui.audits import learnable

        # Without a single one, the error names what was asked for.
        names = learnable(self.screen.services(), visitor.session, forget) or forget
        shown = self.screen.cliperase.begin(visitor, names, *values)
        gr.Info("CLIPErase has begun; its tab shows how far it is. Attack again when it is done.")
        return shown

    def after_run(self, visitor: Visitor) -> list[Any] | None:
        """Nothing, unless CLIPErase has made an edit."""
        return [] if visitor.session.fine_tuned else None

    def after_opening(self, visitor: Visitor) -> list[Any] | None:
        """The panel asks for the CCUP that the file held beside CLIPErase.

        Raises:
            JobError: the file could not be used.
        """
        from unlearn.ui.runs import run_of

        status = run_of(self.screen.services(), visitor)
        if status and status.state == "failed":
            raise JobError(status.message)
        return self.in_force(visitor.session) if visitor.session.fine_tuned else None

    def take_off(self, visitor: Visitor) -> list[Any]:
        """Without the fine-tuned model again."""
        from unlearn.ui.runs import remove_run

        remove_run(self.screen.services(), visitor)
        return []
