"""Values by component, charts, clickable thumbnails, and an image input that keeps the uploaded file undecoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components.plot import PlotData

from unlearn.options import Option
from unlearn.plots.style import Figure

#: Values of an event's inputs. An event whose inputs are a set passes its handler one of these.
Given = Mapping[Block, Any]
#: Values of an event's outputs; components left out stay unchanged. Return one that may be empty as ``shown or
#: gr.skip()``: gradio treats an empty dict as a value.
Shown = dict[Block, Any]

#: Options of events that are no endpoints, and of those among them that show no progress.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUIET = PRIVATE | {"show_progress": "hidden"}
#: Reports a click on a button in the HTML, with the button's ``data-`` attributes as the event's data.
CLICKS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('click', {...button.dataset});
});
"""
#: The same for buttons that change what the next click starts from: a click waits for the answer to the one before it,
#: which :data:`ANSWERED` says has come, or ten seconds at most.
CLICKS_IN_TURN = """
const clicks = (window.clicksInTurn ??= {waiting: [], since: 0});
clicks.next ??= () => { clicks.since = Date.now(); clicks.waiting[0]?.(); };
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (Date.now() - clicks.since > 10_000) clicks.waiting.length = 0;
  const data = {...button.dataset};
  if (clicks.waiting.push(() => trigger('click', data)) === 1) clicks.next();
});
"""
ANSWERED = "() => { window.clicksInTurn.waiting.shift(); window.clicksInTurn.next(); }"
#: Options of events that take an image. ``gr.Image`` would decode it before the handler runs, and report a damaged file
#: with its own error, not that of :func:`unlearn.data.decoding.decode`; with these, the handler gets the file data.
UNDECODED: dict[str, Any] = {"preprocess": False}
#: Largest number of choices shown as buttons; more become a dropdown.
MOST_IN_SIGHT = 4


def chart(elem_id: str, *, height: int, **options: Any) -> gr.Plot:
    """Return a blank plot of ``height``; its space is reserved, so that the layout does not jump."""
    return gr.Plot(
        show_label=False, container=False, elem_id=elem_id, elem_classes=f"u-plot u-plot-{height}", **options
    )


def drawn(figure: Figure) -> PlotData:
    """Return the value of a :func:`chart` that shows ``figure``."""
    return PlotData(type="plotly", plot=figure.to_json())


def image_input(**options: Any) -> gr.Image:
    """Return an input for one image, for use with :data:`UNDECODED`; it can also show a decoded image."""
    return gr.Image(type="filepath", sources=["upload", "clipboard"], buttons=[], format="png", **options)


def clickable(html: str = "", *, in_turn: bool = False, **options: Any) -> gr.HTML:
    """Return HTML with buttons; the data of its ``click`` event holds the ``data-`` attributes of the clicked one.

    With ``in_turn``, clicks wait for each other; an event on them takes all of them and ends in :data:`ANSWERED`.
    """
    return gr.HTML(html, js_on_load=CLICKS_IN_TURN if in_turn else CLICKS, **options)


def clicked(event: gr.EventData, name: str) -> str:
    """Return the ``data-`` attribute ``name`` of the clicked button; empty if the request has none."""
    try:
        return str(getattr(event, name, ""))
    except TypeError:  # the event's data, which come from outside, are no object
        return ""


def element(known: Option, **look: Any) -> Any:
    """Return the component for an option of a request; an empty number leaves it automatic."""
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
