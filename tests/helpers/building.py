"""Gradio's components, built without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def built(build: Callable[[], T]) -> T:
    """What ``build`` makes; where no event loop runs, gradio makes one that nobody closes."""

    async def make() -> T:
        return build()

    return asyncio.run(make())
