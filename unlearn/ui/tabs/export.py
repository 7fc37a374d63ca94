"""Export tab: a link to this page, files to download with code that uses them, and opening such a file."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from unlearn import app
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.ui.components import QUIET, Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.html.templates import fill, small

#: Kinds of files: label, name and purpose.
CHOICES = {
    "edit": (
        "Edit alone",
        "CCUP's two factors, a few kilobytes, or the weights that CLIPErase changed, or both. Opens here again.",
    ),
    "open_clip": ("open_clip", "The whole model as a folder that stock open_clip loads, zipped."),
    "transformers": (
        "transformers",
        "The whole model as a CLIPModel with its processor, zipped; for models with CLIP's own transformers.",
    ),
    "token_gate": (
        "diffusers, gated",
        "CCUP for a stock pipeline as it draws here: a small file and a script; other prompts are drawn as before.",
    ),
    "cross_attention": (
        "diffusers, weights",
        "The denoiser's cross-attention weights with CCUP in them, without the gate: every prompt changes a little.",
    ),
    "report": ("Report", "One HTML page with charts, pictures, metrics, parameters and hashes; needs no network."),
    "record": ("Record", "erasure.json: parameters, concepts, metrics, hashes and versions."),
}
COPY = """async () => {
  const link = document.querySelector('#share-link a');
  if (!link || !navigator.clipboard) return 'Copy it here →';
  await navigator.clipboard.writeText(link.href);
  return 'Copied';
}"""
COPY_LABEL, MAKE_LABEL, MAKING_LABEL = "Copy link", "Make the file", "Making it …"


@dataclass(frozen=True)
class ExportTab:
    """The tab's components; ``render`` returns values of ``outputs``. A file stays until the next one is made."""

    services: Provider
    tab: gr.Tab
    link: gr.HTML
    copy: gr.Button
    kind: gr.Radio
    about: gr.HTML
    variant: gr.Radio
    make: gr.Button
    file: gr.File
    code: gr.Code
    upload: gr.File

    @classmethod
    def build(cls, services: Provider) -> ExportTab:
        with gr.Tab("Export", id="export") as tab:
            gr.HTML(small("The link opens this page with the same model and erasure.", heading="Share"))
            with gr.Row(elem_classes="u-link"):
                copy = gr.Button(COPY_LABEL, size="sm", scale=0, min_width=110, elem_id="copy-link")
                link = gr.HTML(elem_id="share-link")
            gr.HTML(small(heading="Take along"), elem_classes="u-part")
            with gr.Group():
                kind = gr.Radio(
                    [(label, name) for name, (label, _) in CHOICES.items()],
                    value="edit",
                    show_label=False,
                    elem_id="export-kind",
                )
                variant = gr.Radio([], label="Whose edit", visible=False)
            with gr.Row(elem_classes="u-link"):
                make = gr.Button(MAKE_LABEL, variant="primary", scale=0, min_width=150, elem_id="make-export")
                about = gr.HTML(small(CHOICES["edit"][1]), elem_id="export-about")
            file = gr.File(label="Your file", interactive=False, visible=False, elem_id="export-file")
            code = gr.Code(
                language="python",
                label="To use it without this app",
                interactive=False,
                visible=False,
                max_lines=24,
                elem_id="export-code",
            )
            gr.HTML(small(heading="Open an erasure"), elem_classes="u-part")
            upload = gr.File(
                file_types=[".safetensors"], label="An edit.safetensors made here", height=150, elem_id="open-edit"
            )
        return cls(services, tab, link, copy, kind, about, variant, make, file, code, upload)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return []

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.link, self.copy, self.variant]

    def render(self, session: Session, given: Given) -> Shown:
        """Return the link to the current state, and the edits that can be exported."""
        edits = list(app.exports.edits_of(self.services(), session)) if session.erased else []
        query, why = app.links.link_or_why(self.services(), session)
        text = fill("link", address=query) if query else small(why)
        chosen = gr.update(choices=edits, value=edits[0] if edits else None, visible=len(edits) > 1)
        copy = gr.update(value=COPY_LABEL, interactive=bool(query))
        return {self.link: text, self.copy: copy, self.variant: chosen}

    def show_made(self, visitor: Visitor, kind: str, variant: str | None) -> Shown:
        """Make the file; return it with the code that uses it, and the button in its normal state."""
        made = app.exports.make_export(self.services(), visitor, kind, variant or "")
        return {
            self.make: _ready(),
            self.file: gr.update(value=str(made.path), label=made.title, visible=True),
            self.code: gr.update(value=made.code, visible=bool(made.code)),
        }

    def register_callbacks(self, visitor: gr.State) -> None:
        self.kind.input(
            lambda kind: small(CHOICES[kind][1]) if kind in CHOICES else gr.skip(), self.kind, self.about, **QUIET
        )
        self.copy.click(None, None, self.copy, js=COPY, **QUIET)
        self.make.click(lambda: gr.Button(MAKING_LABEL, interactive=False), None, self.make, **QUIET).then(
            on_screen(self.show_made, otherwise=lambda *_: {self.make: _ready()}),
            [visitor, self.kind, self.variant],
            [self.make, self.file, self.code],
            **QUIET,
        )


def _ready() -> gr.Button:
    """Return the button that makes a file, in its normal state."""
    return gr.Button(MAKE_LABEL, interactive=True)
