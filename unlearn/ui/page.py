"""The page: the screen, its events, and the endpoints beside them."""

from __future__ import annotations

import gradio as gr

from unlearn.ui.api_exports import ExportEndpoints
from unlearn.ui.api_runs import RunEndpoints
from unlearn.ui.api_views import ViewEndpoints
from unlearn.ui.events import Events
from unlearn.ui.guarded_page import GuardedPage
from unlearn.ui.handlers import Handlers
from unlearn.ui.loading import Provider
from unlearn.ui.screen import Screen

TITLE = "Unlearn: erase concepts from CLIP"


def build_demo(services: Provider) -> gr.Blocks:
    """Build the page; ``services`` is first called when somebody opens it."""
    demo = GuardedPage(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86_400))
    with demo:
        screen = Screen.build(services)
        Events(screen, Handlers(screen)).register(demo)
        for part in (screen.panel, screen.model):
            part.register_callbacks()
        for view in screen.views:
            view.register_callbacks(screen.visitor)
        for endpoints in (ViewEndpoints, RunEndpoints, ExportEndpoints):
            endpoints(services).register(screen.visitor)
    return demo
