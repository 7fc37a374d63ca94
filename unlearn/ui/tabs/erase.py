"""Panel that is always visible: the concepts to erase, the strength, and the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import gradio as gr

from unlearn.app.asked import RETAIN_OWN, ErasureRequest
from unlearn.options import options_of
from unlearn.ui.components import QUIET, Given, Shown, clickable, element
from unlearn.ui.html.templates import fill

#: Options that are always visible; the others can be collapsed.
IN_SIGHT = ("forget", "strength")


@dataclass(frozen=True)
class ErasePanel:
    """The panel's components.

    Attributes:
        options: the inputs of the request, by the names of :class:`ErasureRequest`'s options.
        undo, redo: buttons that go back to the edit before, and forward again.
        chips: concepts to try.
        summary: the cost of the erasure, and concepts to erase in place of others.
    """

    options: Mapping[str, Any]
    undo: gr.Button
    redo: gr.Button
    chips: gr.HTML
    summary: gr.HTML

    @classmethod
    def build(cls, example: str) -> ErasePanel:
        known = options_of(ErasureRequest)
        looks: dict[str, dict[str, Any]] = {
            "forget": {
                "choices": [example],
                "value": [example],
                "info": "Pick concepts or type any word.",
                "elem_id": "forget",
            },
            "strength": {"elem_id": "strength"},
            "side": {"choices": sides_of(known["form"].default)},
            "own_retain": {"visible": False, "elem_id": "own-retain"},
        }

        def built(name: str) -> Any:
            return element(known[name], **looks.get(name, {}))

        with gr.Group():
            options = {name: built(name) for name in IN_SIGHT}
        with gr.Row(elem_classes="u-buttons"):
            undo, redo = (
                gr.Button(label, size="sm", interactive=False, min_width=90, elem_id=label.split()[1].lower())
                for label in ("↶ Undo", "↷ Redo")
            )
        chips = clickable(elem_id="chips", in_turn=True, container=False, min_height=26)
        summary = clickable(fill("loading"), in_turn=True, elem_id="summary", container=False)
        with gr.Accordion("Settings", open=False, elem_classes="u-fold"):
            folded = (name for name in known if name not in IN_SIGHT)
            for numbers, names in groupby(folded, lambda name: known[name].kind in (int, float)):
                with gr.Row() if numbers else nullcontext():
                    options |= {name: built(name) for name in names}
        return cls(options, undo, redo, chips, summary)

    @property
    def forget(self) -> gr.Dropdown:
        return self.options["forget"]  # type: ignore[no-any-return]

    @property
    def strength(self) -> gr.Slider:
        return self.options["strength"]  # type: ignore[no-any-return]

    @property
    def form(self) -> gr.Radio:
        return self.options["form"]  # type: ignore[no-any-return]

    @property
    def side(self) -> gr.Radio:
        return self.options["side"]  # type: ignore[no-any-return]

    @property
    def own_retain(self) -> gr.Dropdown:
        return self.options["own_retain"]  # type: ignore[no-any-return]

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [self.options[name] for name in options_of(ErasureRequest)]

    def asked(self, given: Given) -> ErasureRequest:
        """Return the panel's request; an option without a value, such as a choice just withdrawn, has its default."""
        values = {name: given[component] for name, component in self.options.items()}
        return ErasureRequest(**{name: value for name, value in values.items() if value is not None})

    def values_for(self, asked: ErasureRequest, names: Sequence[str]) -> Shown:
        """Return the values of ``inputs`` that correspond to ``asked``, with the vocabulary's ``names`` as choices."""
        shown: Shown = {component: getattr(asked, name) for name, component in self.options.items()}
        return shown | {
            self.forget: gr.update(choices=list(names), value=list(asked.forget)),
            self.side: self.offer_sides(asked.form, asked.side),
            self.own_retain: gr.update(
                choices=list(names), value=list(asked.own_retain), visible=asked.retain == RETAIN_OWN
            ),
        }

    @staticmethod
    def offer_sides(form: str, side: str) -> dict[str, Any]:
        """Offer the sides that a projection of ``form`` can edit; select ``side``, or images if it is not one."""
        offered = sides_of(form)
        return gr.update(choices=offered, value=side if side in dict(offered).values() else "image")

    @property
    def triggers(self) -> list[Any]:
        """The events that request another erasure: every change of an input, without a button.

        A dropdown's ``input`` event does not fire when a choice is made with the Enter key; its ``change`` event does.
        The form is not included: the sides it allows are updated first. Nor is the strength: the page follows it.
        """
        typed = (self.forget, self.own_retain)
        others = (*typed, self.form, self.strength)
        touched = (component for component in self.options.values() if component not in others)
        return [*(component.change for component in typed), *(component.input for component in touched)]

    def register_callbacks(self) -> None:
        self.options["retain"].input(
            lambda retain: gr.update(visible=retain == RETAIN_OWN),
            self.options["retain"],
            self.own_retain,
            **QUIET,
        )


def sides_of(form: str) -> list[tuple[str, str]]:
    """Return the choices for the edited side; the paired form edits one side only."""
    labels = options_of(ErasureRequest)["side"].choices
    return [(label, side) for side, label in labels.items() if (form, side) != ("paired", "both")]
