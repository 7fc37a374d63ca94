"""Look of the page: system fonts, one blue, and a few rules that gradio's components lack."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from unlearn.plots.style import FONTS, css_variables

MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
CSS = css_variables() + (Path(__file__).parent / "html" / "style.css").read_text(encoding="utf-8")


def build_theme() -> gr.themes.Base:
    """Return gradio's default theme with fonts that every machine has, so that the page loads none from elsewhere."""
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO)
    # Gradio's own have too little contrast to read easily, 2.6 to 3.9 to 1.
    return theme.set(
        body_text_color_subdued="*neutral_500",
        link_text_color_dark="*primary_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )
