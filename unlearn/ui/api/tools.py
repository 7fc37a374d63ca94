"""What assistants see of the endpoints: images as image content, structured results, and what each tool changes.

Gradio answers a tool call with text alone, so the handlers of its MCP server are wrapped.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from gradio.mcp import GradioMCPServer
from mcp.types import (
    CallToolRequest,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsRequest,
    ListToolsResult,
    ServerResult,
    TextContent,
    ToolAnnotations,
)

#: Endpoints that are no tools: their files belong to a session, which an assistant's call does not have.
NO_TOOLS = ("/export", "/import")
#: Every call has a visitor of its own, so that most tools leave nothing behind.
READS = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
CHANGES = {
    "model": ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=True),
    "cancel": ToolAnnotations(readOnlyHint=False, destructiveHint=True, idempotentHint=True, openWorldHint=False),
}
Handler = Callable[[Any], Awaitable[ServerResult]]


def describe_tools(server: GradioMCPServer) -> None:
    """Wrap the handlers of ``server`` that list and call tools."""
    tools = server.tool_to_endpoint.items()
    server.tool_to_endpoint = {name: endpoint for name, endpoint in tools if endpoint not in NO_TOOLS}
    handlers: dict[type[Any], Handler] = server.mcp_server.request_handlers
    listing, calling = handlers[ListToolsRequest], handlers[CallToolRequest]

    async def list_tools(request: Any) -> ServerResult:
        answer = await listing(request)
        if isinstance(answer.root, ListToolsResult):
            for tool in answer.root.tools:
                tool.annotations = CHANGES.get(tool.name, READS)
        return answer

    async def call_tool(request: Any) -> ServerResult:
        answer = await calling(request)
        if isinstance(answer.root, CallToolResult) and not answer.root.isError:
            answer.root = with_images(answer.root)
        return answer

    handlers[ListToolsRequest], handlers[CallToolRequest] = list_tools, call_tool


def with_images(answer: CallToolResult) -> CallToolResult:
    """Return an answer, whose text is JSON, with the images in it as content of their own."""
    (text,) = answer.content
    if not isinstance(text, TextContent):
        return answer
    images: dict[str, None] = {}
    result = _without_images(json.loads(text.text), images)
    content: list[ContentBlock] = [TextContent(type="text", text=json.dumps(result, ensure_ascii=False))]
    for uri in images:
        kind, _, data = uri.removeprefix("data:").partition(";base64,")
        content.append(ImageContent(type="image", data=data, mimeType=kind))
    return CallToolResult(content=content, structuredContent=result)


def _without_images(value: Any, images: dict[str, None]) -> Any:
    """Return JSON without its data URIs, each replaced by its number in ``images``, counted from 1."""
    if isinstance(value, dict):
        return {key: _without_images(item, images) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_images(item, images) for item in value]
    if isinstance(value, str) and value.startswith("data:image/"):
        images.setdefault(value)
        return f"image {list(images).index(value) + 1}"
    return value
