"""The page: the screen, its events, and the endpoints beside them."""

from __future__ import annotations

import gradio as gr

from unlearn.app.startup import Provider
from unlearn.ui.api.exports import ExportEndpoints
from unlearn.ui.api.runs import RunEndpoints
from unlearn.ui.api.views import ViewEndpoints
from unlearn.ui.events import Events
from unlearn.ui.handlers import Handlers
from unlearn.ui.screen import Screen
from unlearn.ui.server.guarded_page import GuardedPage

#: Seconds between two removals of old files that gradio keeps, such as images shown, and their age then. A page has
#: fetched an image as soon as it is shown.
CLEANED = (600, 3600)
TITLE = "Unlearn: erase concepts from CLIP"


def build_demo(services: Provider) -> gr.Blocks:
    """Build the page; ``services`` is first called when a visitor opens it."""
    demo = GuardedPage(title=TITLE, analytics_enabled=False, delete_cache=CLEANED)
    with demo:
        screen = Screen.build(services)
        Events(screen, Handlers(screen)).register(demo)
        panel = screen.panel
        panel.register_callbacks()
        screen.model.register_callbacks()
        screen.tour.register_callbacks(panel.forget, panel.strength, screen.tabs, screen.visitor)
        for view in screen.views:
            view.register_callbacks(screen.visitor)
        for endpoints in (ViewEndpoints, RunEndpoints, ExportEndpoints):
            endpoints(services).register(screen.visitor)
    return demo
