"""About tab: an explanation of the methods in the words of the two papers."""

from __future__ import annotations

import gradio as gr

from unlearn.ui.html.templates import FOLDER


def build_about_tab() -> None:
    """Add the tab; it has no events."""
    with gr.Tab("About", id="about"):
        gr.Markdown((FOLDER / "about.md").read_text(encoding="utf-8"), elem_id="about")
