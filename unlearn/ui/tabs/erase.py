"""The panel that is always in sight: what to erase, how strongly, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from unlearn.app.session import RETAIN_NEIGHBOURS, RETAIN_OWN, RETAIN_VOCABULARY, ErasureRequest
from unlearn.ui.components import Given, Shown
from unlearn.ui.html import markup

SIDES = (("Pictures", "image"), ("Texts", "text"), ("Both", "both"))


@dataclass(frozen=True)
class ErasePanel:
    """The components of the panel; those that are asked with go by the names of :class:`ErasureRequest`'s fields."""

    forget: gr.Dropdown
    strength: gr.Slider
    form: gr.Radio
    side: gr.Radio
    retain: gr.Radio
    own_retain: gr.Dropdown
    lam: gr.Number
    mu: gr.Number
    synonyms: gr.Checkbox
    summary: gr.HTML

    @classmethod
    def build(cls, example: str) -> ErasePanel:
        start = ErasureRequest([example])
        with gr.Group():
            forget = gr.Dropdown(
                [example],
                value=[example],
                multiselect=True,
                allow_custom_value=True,
                label="Erase",
                info="Pick concepts or type any word.",
                elem_id="forget",
            )
            strength = gr.Slider(
                0, 1, value=start.strength, step=0.01, label="Strength", elem_id="strength", buttons=[]
            )
        summary = gr.HTML(markup.no_summary(), elem_id="summary", container=False)
        with gr.Accordion("Settings", open=False):
            form = gr.Radio(
                [
                    ("Paired: where its pictures and words meet", "paired"),
                    ("Consistent: protect the others (paper)", "consistent"),
                    ("Nullspace: plain projection (paper)", "nullspace"),
                ],
                value=start.form,
                label="Form",
            )
            side = gr.Radio(
                sides_of(start.form),
                value=start.side,
                label="Edited embeddings",
            )
            retain = gr.Radio(
                [
                    ("Rest of the vocabulary", RETAIN_VOCABULARY),
                    ("Nearest neighbours", RETAIN_NEIGHBOURS),
                    ("My list", RETAIN_OWN),
                ],
                value=start.retain,
                label="Protected concepts",
            )
            own_retain = gr.Dropdown(
                [], multiselect=True, allow_custom_value=True, label="My list", visible=False, elem_id="own-retain"
            )
            with gr.Row():
                lam = gr.Number(start.lam, label="λ, weight of forgetting", min_width=120)
                mu = gr.Number(start.mu, label="μ, weight of protecting", min_width=120)
            synonyms = gr.Checkbox(value=start.synonyms, label="Erase plurals and synonyms too")
        return cls(forget, strength, form, side, retain, own_retain, lam, mu, synonyms, summary)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [getattr(self, field.name) for field in fields(ErasureRequest)]

    def asked(self, given: Given) -> ErasureRequest:
        """What the panel asks for."""
        return ErasureRequest(**{field.name: given[getattr(self, field.name)] for field in fields(ErasureRequest)})

    def values_for(self, asked: ErasureRequest, names: Sequence[str]) -> Shown:
        """The values of ``inputs`` that ask for ``asked``, with the vocabulary's ``names`` on offer."""
        shown: Shown = {getattr(self, field.name): getattr(asked, field.name) for field in fields(ErasureRequest)}
        return shown | {
            self.forget: gr.update(choices=list(names), value=list(asked.forget)),
            self.side: self.offer_sides(asked.form, asked.side),
            self.own_retain: gr.update(
                choices=list(names), value=list(asked.own_retain), visible=asked.retain == RETAIN_OWN
            ),
        }

    @staticmethod
    def offer_sides(form: str, side: str) -> dict[str, Any]:
        """The sides that a projection of ``form`` can be on, and ``side`` or, where it is none of them, pictures."""
        offered = sides_of(form)
        return gr.update(choices=offered, value=side if side in dict(offered).values() else "image")

    @property
    def triggers(self) -> list[Any]:
        """The events that ask for another erasure: every touch, and no button.

        A dropdown's ``input`` stays silent when a choice is made with the Enter key; its ``change`` does not. The form
        is not among them: the sides that go with it are put right first.
        """
        chosen = [self.forget.change, self.own_retain.change]
        touched = (self.strength, self.side, self.retain, self.lam, self.mu, self.synonyms)
        return [*chosen, *(component.input for component in touched)]

    def register_callbacks(self) -> None:
        self.retain.input(
            lambda retain: gr.update(visible=retain == RETAIN_OWN),
            self.retain,
            self.own_retain,
            show_progress="hidden",
            api_visibility="private",
        )


def sides_of(form: str) -> list[tuple[str, str]]:
    """What may be edited, as a choice: the paired form acts on one side."""
    return [side for side in SIDES if form != "paired" or side[1] != "both"]
