"""Assistants use the endpoints as tools, each call for itself."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import pytest
from helpers.fakes import drawing
from PIL import Image

mcp = pytest.importorskip("mcp", reason="needs gradio[mcp]")

TOOLS = {"erase", "zero_shot", "retrieve", "trade_off", "generate", "cliperase", "audit", "model", "cancel", "link"}


async def _with_session(address: str, talk: Any) -> Any:
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"{address}/gradio_api/mcp/") as (read, write, _),
        mcp.ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await talk(session)


def tools(address: str) -> dict[str, Any]:
    listed = asyncio.run(_with_session(address, lambda session: session.list_tools()))
    return {tool.name: tool for tool in listed.tools}


def call(address: str, tool: str, **arguments: Any) -> Any:
    """The tool's answer, decoded; its error is raised."""
    answer = asyncio.run(_with_session(address, lambda session: session.call_tool(tool, arguments)))
    if answer.isError:
        raise RuntimeError(answer.content[0].text)
    text, *images = answer.content
    assert json.loads(text.text) == answer.structuredContent
    assert "data:image/" not in text.text
    assert all(Image.open(io.BytesIO(base64.b64decode(image.data))).format for image in images)
    return answer.structuredContent | {"shown": [image.mimeType for image in images]}


def as_uri(concept: str) -> str:
    buffer = io.BytesIO()
    drawing(concept).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_every_endpoint_is_a_tool_that_says_what_its_parameters_mean(fake_app: str):
    offered = tools(fake_app)
    assert set(offered) == TOOLS, "files belong to a session, which no tool call has"
    for name in TOOLS:
        assert len(offered[name].description) > 80
        parameters = offered[name].inputSchema["properties"]
        assert all(parameter["description"] for parameter in parameters.values()), name
        assert "visitor" not in parameters
    assert offered["erase"].inputSchema["required"] == ["forget"]


def test_one_call_erases_and_looks(fake_app: str):
    seen = call(fake_app, "zero_shot", labels=["cat", "dog"], image=as_uri("cat"), forget=["cat"])
    assert seen["forget"] == ["cat"]
    before, after = seen["probabilities"]["Original"], seen["probabilities"]["CCUP"]
    assert max(before, key=before.get) == "cat"
    assert max(after, key=after.get) == "dog"
    assert call(fake_app, "retrieve", query="a dog", forget=["cat"])["images"]["CCUP"][0]["concept"] == "dog"
    assert call(fake_app, "trade_off", forget=["cat"])["names"][0] == "cat"


def test_no_assistant_sees_what_another_erased(fake_app: str):
    assert call(fake_app, "erase", forget=["cat"])["forget"] == ["cat"]
    found = call(fake_app, "retrieve", query="a cat")
    assert found["forget"] == []
    assert list(found["images"]) == ["Original"]


def test_what_cannot_be_done_is_a_sentence(fake_app: str):
    with pytest.raises(RuntimeError, match="name at least one"):
        call(fake_app, "erase", forget=[])
    with pytest.raises(RuntimeError, match="upload one"):
        call(fake_app, "zero_shot", labels=[])


def test_every_tool_says_what_it_changes(fake_app: str):
    annotated = {name: tool.annotations for name, tool in tools(fake_app).items()}
    assert {name for name, known in annotated.items() if not known.readOnlyHint} == {"model", "cancel"}


def test_what_is_found_is_shown(fake_app: str):
    found = call(fake_app, "retrieve", query="a dog")
    assert found["images"]["Original"][0]["image"] == "image 1"
    assert set(found["shown"]) == {"image/webp"}


def test_a_drawing_is_shown(real_app: str):
    reported = call(real_app, "generate", prompt="a cat and a pizza", count=1, steps=4, forget=["cat"])
    assert reported["state"] == "done"
    assert set(reported["seen"]) == {"cat", "pizza"}
    assert (reported["before"], reported["after"], reported["shown"]) == (["image 1"], ["image 2"], ["image/png"] * 2)
