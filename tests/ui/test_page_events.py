"""Every event of the page passes through gradio as in a browser: its inputs, its handler, its outputs."""

from __future__ import annotations

import ast
import asyncio
import html
import json
import logging
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.block_function import BlockFunction
from gradio.helpers import EventData
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder
from helpers.building import built
from helpers.fakes import drawing, fake_services

from unlearn.app.services import CHART_LABELS, Services
from unlearn.app.session import Session, Visitor
from unlearn.ui import background, page
from unlearn.ui.guard import on_screen
from unlearn.ui.page import build_demo
from unlearn.ui.server.guarded_page import GuardedPage


@pytest.fixture(scope="module")
def services() -> Services:
    return fake_services()


@pytest.fixture(scope="module")
def demo(services: Services) -> gr.Blocks:
    return built(lambda: build_demo(lambda: services))


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the visitor is told in toasts."""
    sentences: list[str] = []
    for kind in ("Info", "Warning"):
        monkeypatch.setattr(gr, kind, lambda text, **_: sentences.append(text))
    monkeypatch.setattr(background, "POLL", 0)
    return sentences


def named(demo: gr.Blocks, name: str) -> BlockFunction:
    """The event whose handler goes by ``name``."""
    return next(event for event in demo.fns.values() if event.name == name)


def no_edit(image: str) -> str:
    """The file ``image`` under the name of an edit."""
    path = Path(image).with_suffix(".safetensors")
    path.write_bytes(Path(image).read_bytes())
    return str(path)


def sent(component: Any, image: str) -> Any:
    """What a browser sends of ``component`` as it stands there once somebody has used it."""
    match component:
        case gr.Dropdown(multiselect=True):
            return ["cat", "my own word"]
        case gr.Dropdown() | gr.Radio():
            return component.value if component.value is not None else next((c for _, c in component.choices), None)
        case gr.File(file_types=[".safetensors"]):
            return {"path": no_edit(image), "meta": {"_type": "gradio.FileData"}}
        case gr.Image() | gr.File():
            file = {"path": image, "meta": {"_type": "gradio.FileData"}}
            return [file] if getattr(component, "file_count", "") == "multiple" else file
        case gr.Textbox():
            return component.value or "dog, cat"
    return component.value


async def happen(demo: gr.Blocks, event: BlockFunction, state: SessionState, inputs: list[Any], query: str = "") -> Any:
    """Let ``event`` happen to the visitor of ``state``; what its outputs get at last."""
    request = gr.Request(query_params=query, headers={}, session_hash="one")
    about = EventData(None, {"index": 0})
    result, iterator = None, None
    while True:
        answer = await demo.process_api(
            event, inputs, state=state, request=request, iterator=iterator, event_data=about, session_hash="one"
        )
        result = result if iterator and not answer["is_generating"] else answer["data"]
        iterator = answer["iterator"]
        if not answer["is_generating"]:
            return result


@pytest.fixture
def image() -> str:
    """A picture where gradio keeps what visitors send."""
    path = f"{get_upload_folder()}/page-events.png"
    drawing("cat").save(path)
    return path


def state_with(demo: gr.Blocks, session: Session) -> SessionState:
    """What gradio keeps of a visitor whose session is ``session``."""
    state, start = SessionState(demo), named(demo, "start")
    next(state[block._id] for block in start.inputs if isinstance(block.value, Visitor)).session = session
    return state


def opened(demo: gr.Blocks, query: str) -> Session:
    """The session of a visitor whose page has been opened with ``query``."""
    state, start = state_with(demo, Session()), named(demo, "start")
    asyncio.run(happen(demo, start, state, [component.value for component in start.inputs], query))
    return next(value.session for value in state.state_data.values() if isinstance(value, Visitor))


@pytest.mark.parametrize("query", ["", "forget=", "forget=cat&vocabulary=cat,dog,car&retain=neighbours"])
@pytest.mark.parametrize("is_open", [True, False])
def test_every_event_of_the_page_passes_through_gradio(demo, image, reported, caplog, query: str, is_open: bool):
    events = [event for event in demo.fns.values() if event.fn and event.api_visibility == "private"]
    assert len(events) > 40
    failed, session = {}, opened(demo, query) if is_open else Session()
    with caplog.at_level(logging.ERROR):
        for event in events:
            inputs = [sent(component, image) for component in event.inputs]
            try:
                asyncio.run(happen(demo, event, state_with(demo, session), inputs, query))
            except Exception as error:
                failed[event.name] = error
    assert failed == {}
    assert [message for message in caplog.messages if "ui/" in message] == []
    assert not [sentence for sentence in reported if "went wrong" in sentence]


def test_no_handler_counts_what_it_leaves_as_it_is():
    counted = [
        f"{file.name}:{node.lineno}"
        for file in sorted(Path(page.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple) and "gr.skip()" in ast.unparse(node)
    ]
    assert counted == []


def bars_of(demo: gr.Blocks, labels: list[str]) -> set[str] | None:
    """The labels that have bars once ``labels`` are the candidates; None where the chart stays as it is."""
    event, state = named(demo, "relabel"), state_with(demo, opened(demo, "forget=cat"))
    inputs = [labels if component.label == "Candidate labels" else None for component in event.inputs]
    (chart,) = asyncio.run(happen(demo, event, state, inputs))
    if chart == gr.skip():
        return None
    return {html.unescape(label) for bars in json.loads(chart["plot"])["data"] for label in bars["customdata"]}


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["dog", "wolf"], {"dog", "wolf"}),
        (["dog", " dog ", "Dog"], {"dog"}),
        (["a “hot” dog", "hot_dog's"], {"a “hot” dog", "hot dog's"}),
        (["dog", "", "  "], {"dog"}),
    ],
)
def test_bars_follow_the_labels(demo, reported, labels: list[str], shown: set[str]):
    assert bars_of(demo, labels) == shown
    assert reported == []


def test_without_labels_the_whole_vocabulary_competes(demo):
    assert len(bars_of(demo, [])) == CHART_LABELS


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([f"label {i}" for i in range(500)], "500 labels are too many at once; name at most 128."),
        (["dog", "\N{GRINNING FACE}"], "has no letters"),
        (["x" * 90], "at most 80 are allowed"),
    ],
)
def test_labels_that_cannot_be_used_leave_the_bars(demo, reported, labels: list[str], sentence: str):
    assert bars_of(demo, labels) is None
    assert len(reported) == 1
    assert sentence in reported[0]


def test_a_label_that_cannot_be_used_hides_nothing_else(demo, reported):
    event, state = named(demo, "change_erasure"), state_with(demo, opened(demo, "forget=cat"))
    entered = {"Erase": [], "Candidate labels": ["42"]}
    inputs = [entered.get(getattr(block, "label", ""), getattr(block, "value", None)) for block in event.inputs]
    shown = dict(
        zip([block.elem_id for block in event.outputs], asyncio.run(happen(demo, event, state, inputs)), strict=True)
    )
    assert "Most at risk" not in shown["summary"]
    assert "CCUP" not in shown["accuracy"]
    assert shown["label-chart"] == gr.skip()
    assert len(reported) == 1
    assert "has no letters" in reported[0]


def refuse(value: Any) -> Any:
    raise ValueError(f"secret detail of {value}")


@pytest.mark.parametrize("where", ["inputs", "outputs", "count", "unknown", "choice"])
def test_what_fails_outside_the_handler_is_a_sentence(capsys, caplog, where: str):
    def build() -> tuple[GuardedPage, BlockFunction]:
        with GuardedPage() as blocks:
            plain, refusing, other = gr.Textbox(), gr.Textbox(), gr.Textbox()
            refusing.preprocess = refusing.postprocess = refuse  # type: ignore[method-assign]
            given = {"inputs": refusing, "choice": gr.Radio(["a"])}.get(where, plain)
            outputs = {"outputs": [refusing], "count": [plain, other]}.get(where, [plain])
            answer = {other: "x"} if where == "unknown" else "x"
            gr.on([], on_screen(lambda value: answer), given, outputs)
        return blocks, blocks.fns[0]

    blocks, event = built(build)
    with caplog.at_level(logging.CRITICAL), pytest.raises(gr.Error) as raised:
        asyncio.run(happen(blocks, event, SessionState(blocks), ["what was typed"]))
    assert not raised.value.print_exception
    assert "secret detail" not in raised.value.message
    assert ("not in the list of choices" in raised.value.message) == (where == "choice")
    assert "Traceback" not in capsys.readouterr().err


def test_a_choice_withdrawn_while_the_request_was_on_its_way_counts_as_none():
    def build() -> tuple[GuardedPage, BlockFunction, BlockFunction]:
        with GuardedPage() as blocks:
            lists = [gr.Dropdown(["dog"], value="dog"), gr.Radio(["dog"], value="dog")]
            gr.on([], lambda: [gr.update(choices=["cat", "car"], value="cat")] * 2, None, lists)
            gr.on([], lambda *chosen: repr(chosen), lists, gr.Textbox())
        return blocks, *blocks.fns.values()

    blocks, update, click = built(build)
    state = SessionState(blocks)
    asyncio.run(happen(blocks, update, state, []))
    assert asyncio.run(happen(blocks, click, state, ["dog", "dog"])) == ["(None, None)"]
    assert asyncio.run(happen(blocks, click, state, ["cat", "car"])) == ["('cat', 'car')"]


def test_values_of_another_type_are_refused_and_an_empty_list_may_be_missing():
    def build() -> tuple[GuardedPage, BlockFunction]:
        with GuardedPage() as blocks:
            words = gr.Dropdown(["dog"], multiselect=True, allow_custom_value=True, label="Words")
            kinds = [words, gr.Textbox(label="Text"), gr.Checkbox(label="Too"), gr.Slider(label="How much")]
            gr.on([], lambda *given: repr(given), kinds, gr.Textbox())
        return blocks, blocks.fns[0]

    blocks, event = built(build)
    right: list[Any] = [["cat"], "text", True, 0.5]
    assert asyncio.run(happen(blocks, event, SessionState(blocks), right)) == [repr(tuple(right))]
    assert asyncio.run(happen(blocks, event, SessionState(blocks), [None, *right[1:]])) == [repr(([], *right[1:]))]
    for place, values in enumerate(([5, [5], {}, ["a", None]], [5, []], ["yes", 1], ["x", True, []])):
        for value in values:
            with pytest.raises(gr.Error, match="must be a|must be true or false"):
                asyncio.run(happen(blocks, event, SessionState(blocks), [*right[:place], value, *right[place + 1 :]]))


def test_a_reloaded_page_still_asks_for_the_nearest_neighbours(demo):
    state, start = state_with(demo, Session()), named(demo, "start")
    inputs = [component.value for component in start.inputs]
    for _ in range(2):
        shown = asyncio.run(happen(demo, start, state, inputs, "forget=cat&retain=neighbours&vocabulary=cat,dog,car"))
        values = {getattr(block, "label", ""): value for block, value in zip(start.outputs, shown, strict=True)}
        assert values["Protected concepts"] == "neighbours"
        assert values["My list"]["value"] == []
        assert values["My list"]["visible"] is False
