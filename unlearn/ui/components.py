"""Values by component, charts, thumbnails that can be clicked, and a picture input whose file reaches us as sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block

from unlearn.options import Option

#: Values of an event's inputs. An event whose inputs are a set gives its handler one of these.
Given = Mapping[Block, Any]
#: Values of an event's outputs; those left out stay as they are. One that may be empty is returned as ``shown or
#: gr.skip()``: gradio takes an empty one for a value.
Shown = dict[Block, Any]

#: Reports a click on a thumbnail of :func:`unlearn.ui.html.markup.strip` as ``{"index": …}``.
CHOOSE = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (button) trigger('click', {index: Number(button.dataset.index)});
});
"""
#: For events that take a picture. ``gr.Image`` would decode it before the handler runs, and a damaged file would end in
#: its error instead of in :func:`unlearn.data.decoding.decode`'s sentence; the handler gets gradio's file data.
UNDECODED: dict[str, Any] = {"preprocess": False}
#: More choices than these fold into a dropdown.
MOST_IN_SIGHT = 4


def chart(elem_id: str, *, height: int, **options: Any) -> gr.Plot:
    """Room for a figure of ``height``, blank until there is one; its room is kept, so that nothing jumps."""
    return gr.Plot(
        show_label=False, container=False, elem_id=elem_id, elem_classes=f"u-plot u-plot-{height}", **options
    )


def picture_input(**options: Any) -> gr.Image:
    """An input for one picture, to be used with :data:`UNDECODED`; a decoded one may be shown in it."""
    return gr.Image(type="filepath", sources=["upload", "clipboard"], buttons=[], format="png", **options)


def thumbnail_strip(**options: Any) -> gr.HTML:
    """An empty :func:`unlearn.ui.html.markup.strip`; its ``click`` tells the ``index`` in the event's data."""
    return gr.HTML(js_on_load=CHOOSE, **options)


def element(known: Option, **look: Any) -> Any:
    """The component in which an option of a request is chosen; an empty number leaves it automatic."""
    label = f"{known.label} (empty: automatic)" if known.default is None else known.label
    shown: dict[str, Any] = {"value": known.default, "label": label} | look
    if known.choices:
        choices = [(text, value) for value, text in known.choices.items()]
        return (gr.Dropdown if len(choices) > MOST_IN_SIGHT else gr.Radio)(**{"choices": choices} | shown)
    if known.kind is list:
        free: dict[str, Any] = {"choices": [], "multiselect": True, "allow_custom_value": True}
        return gr.Dropdown(**free | shown | {"value": list(shown["value"])})
    if known.kind is bool:
        return gr.Checkbox(**shown)
    if known.step is not None:
        ends: dict[str, Any] = {"minimum": known.lowest, "maximum": known.largest}
        return gr.Slider(**ends | {"step": known.step, "buttons": []} | shown)
    return gr.Number(**{"min_width": 120, "precision": 0 if known.kind is int else None} | shown)
