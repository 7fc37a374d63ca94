"""Panel for the choice of the CLIP model and the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from unlearn import app
from unlearn.app.session import Session, Visitor
from unlearn.app.startup import Provider
from unlearn.ui.components import QUIET, Given, Shown
from unlearn.ui.html.templates import small

if TYPE_CHECKING:
    from unlearn.app.model_choice import WatchLoading
    from unlearn.app.results import ModelFacts

APP, OWN = "", "own"
TYPED = "Or type any that open_clip knows: ARCHITECTURE/TAG, hf-hub:ORG/REPO; or blip:ORG/REPO."
VOCABULARY_CHOICES = [
    ("The app's", APP),
    ("ImageNet-1k", "imagenet"),
    ("CIFAR-100", "cifar100"),
    ("My own list", OWN),
]


@dataclass(frozen=True)
class ModelPanel:
    """The panel's components; ``inputs`` are the arguments of :func:`unlearn.app.model_choice.choose`."""

    services: Provider
    frame: gr.Accordion
    model: gr.Dropdown
    vocabulary: gr.Dropdown
    own: gr.Textbox
    use: gr.Button
    note: gr.HTML

    @classmethod
    def build(cls, services: Provider) -> ModelPanel:
        with gr.Accordion("Model", open=False, elem_classes="u-fold") as frame:
            model = gr.Dropdown(
                [],
                allow_custom_value=True,
                label="CLIP",
                elem_id="model",
            )
            vocabulary = gr.Dropdown(VOCABULARY_CHOICES, value=APP, label="Words it chooses among", elem_id="words")
            own = gr.Textbox(
                label="My words", placeholder="mug, spoon, kettle", lines=3, visible=False, elem_id="own-words"
            )
            use = gr.Button("Use", size="sm", elem_id="use-model")
            note = gr.HTML(elem_id="model-note")
        return cls(services, frame, model, vocabulary, own, use, note)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.model, self.vocabulary, self.own]

    @property
    def outputs(self) -> list[Any]:
        return [self.frame, *self.inputs, self.note]

    def opened(self, session: Session, vocabulary: str) -> Shown:
        """Return the values of ``outputs`` when the page opens with ``vocabulary``."""
        services = self.services()
        model = services.encoder_of(session).name
        info = TYPED if services.models.offered == "any" else None
        known = vocabulary in [name for _, name in VOCABULARY_CHOICES]
        return {
            self.model: gr.update(
                choices=app.model_choice.curated_choices(services.models.own.name), value=model, info=info
            ),
            self.vocabulary: vocabulary if known else OWN,
            self.own: gr.update(value="" if known else vocabulary, visible=not known),
            **self.chosen(session),
        }

    def chosen(self, session: Session) -> Shown:
        """Return the values that describe the active model."""
        facts = app.model_choice.facts_of(self.services(), session)
        return {self.frame: gr.update(label=title_of(facts)), self.note: note_of(facts)}

    def switch(self, visitor: Visitor, given: Given, watch: WatchLoading) -> Session:
        """Apply the visitor's choice; ``watch`` receives the progress."""
        own, vocabulary = given[self.own], given[self.vocabulary]
        words = own or " " if vocabulary == OWN else vocabulary  # an empty list must not select the app's vocabulary
        return app.model_choice.choose(self.services(), visitor, (given[self.model] or "").strip(), words, watch)

    def register_callbacks(self) -> None:
        self.vocabulary.input(
            lambda vocabulary: gr.update(visible=vocabulary == OWN),
            self.vocabulary,
            self.own,
            **QUIET,
        )


def title_of(facts: ModelFacts) -> str:
    """Return the panel's title: the active model and its size."""
    return f"Model: {facts.name}" + (f", {facts.millions:.0f} M parameters" if facts.millions else "")


def note_of(facts: ModelFacts) -> str:
    """Return a sentence or two on the active model."""
    size = f"{facts.millions:.0f} million parameters on" if facts.millions else "Runs on"
    drives = f" It drives {' and '.join(facts.drives)}." if facts.drives else " It drives no diffusion model."
    return small(
        f"{size} {facts.device}, choosing among {facts.words:,} words.{drives} "
        "Other models are downloaded when first used; without a hub, only pocket is available."
    )
