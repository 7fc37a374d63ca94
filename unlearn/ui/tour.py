"""Way through the page for a first visit: three stories that start with one click, and a next step under each view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn import app
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.ui.components import QUIET, Given, clickable, clicked
from unlearn.ui.guard import on_screen
from unlearn.ui.html.templates import fill


@dataclass(frozen=True)
class Story:
    """A story: its title, what it shows, how many concepts it erases, and the tab that it opens."""

    title: str
    shows: str
    count: int
    tab: str


STORIES = {
    "one": Story(
        "Forget one thing", "One click, nothing trained: its name stops working, the rest stays.", 1, "zero-shot"
    ),
    "twenty": Story("Forget twenty", "Twenty at once. What do the others lose?", 20, "zero-shot"),
    "hidden": Story("Hidden, not gone", "Attack the edit, and see what comes back.", 1, "audit"),
}
#: The next step under a view, by the view's tab: the tab that it opens, and the question that it answers.
NEXT = {
    "zero-shot": ("retrieval", "Does search still find it?"),
    "retrieval": ("generation", "Can it still be drawn?"),
    "generation": ("audit", "Is it gone?"),
    "audit": ("export", "Take the edit along"),
}


@dataclass(frozen=True)
class Tour:
    """The tour's components; ``nexts`` are the buttons of :data:`NEXT`, by the tab that each opens."""

    services: Provider
    stories: gr.HTML
    nexts: Mapping[str, gr.Button]

    @classmethod
    def build(cls, services: Provider, stories: gr.HTML, tabs: Mapping[str, gr.Tab]) -> Tour:
        """Put the next steps at the end of ``tabs``, given by their ids."""
        nexts = {}
        for tab, (target, question) in NEXT.items():
            with tabs[tab], gr.Row(elem_classes="u-next"):
                nexts[target] = gr.Button(f"Next: {question} →", size="sm", scale=0, min_width=240)
        return cls(services, stories, nexts)

    def begun(self, visitor: Visitor, story: Story) -> list[str]:
        """Return the concepts that ``story`` erases; the picture follows them again."""
        visitor.change(chose_image=False)
        return app.examples.well_known(self.services(), visitor.session)[: story.count]

    def register_callbacks(self, forget: gr.Dropdown, strength: gr.Slider, tabs: gr.Tabs, visitor: gr.State) -> None:
        """Register the events, which set the inputs of the panel and open a tab."""

        def begin(given: Given, event: gr.EventData) -> Any:
            story = STORIES.get(clicked(event, "story"))
            if story is None:
                return gr.skip()
            chosen = self.begun(given[visitor], story)
            return {forget: chosen, strength: strength.value, tabs: gr.Tabs(selected=story.tab)}

        self.stories.click(on_screen(begin), {visitor}, [forget, strength, tabs], trigger_mode="always_last", **QUIET)
        for target, button in self.nexts.items():
            button.click(lambda target=target: gr.Tabs(selected=target), None, tabs, **QUIET)


def stories() -> gr.HTML:
    """Return the stories as buttons, for the head of the page."""
    return clickable(fill("stories", stories=STORIES), elem_id="stories")
