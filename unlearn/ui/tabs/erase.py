"""The panel that is always in sight: what to erase, how strongly, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from unlearn.app.session import RETAIN_OWN, ErasureRequest
from unlearn.options import options_of
from unlearn.ui.components import Given, Shown, element
from unlearn.ui.html import markup


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
        start, known = ErasureRequest([example]), options_of(ErasureRequest)
        with gr.Group():
            forget = gr.Dropdown(
                [example],
                value=[example],
                multiselect=True,
                allow_custom_value=True,
                label=known["forget"].label,
                info="Pick concepts or type any word.",
                elem_id="forget",
            )
            strength = element(known["strength"], elem_id="strength")
        summary = gr.HTML(markup.no_summary(), elem_id="summary", container=False)
        with gr.Accordion("Settings", open=False):
            form = element(known["form"])
            side = element(known["side"], choices=sides_of(start.form))
            retain = element(known["retain"])
            own_retain = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=known["own_retain"].label,
                visible=False,
                elem_id="own-retain",
            )
            with gr.Row():
                lam, mu = element(known["lam"]), element(known["mu"])
            synonyms = element(known["synonyms"])
        return cls(forget, strength, form, side, retain, own_retain, lam, mu, synonyms, summary)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [getattr(self, name) for name in options_of(ErasureRequest)]

    def asked(self, given: Given) -> ErasureRequest:
        """What the panel asks for."""
        return ErasureRequest(**{name: given[getattr(self, name)] for name in options_of(ErasureRequest)})

    def values_for(self, asked: ErasureRequest, names: Sequence[str]) -> Shown:
        """The values of ``inputs`` that ask for ``asked``, with the vocabulary's ``names`` on offer."""
        shown: Shown = {getattr(self, name): getattr(asked, name) for name in options_of(ErasureRequest)}
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
    labels = options_of(ErasureRequest)["side"].choices
    return [(label, side) for side, label in labels.items() if (form, side) != ("paired", "both")]
