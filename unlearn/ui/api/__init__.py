"""Endpoints for programs and assistants. The module for MCP, which is an extra, is loaded at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn import late

if TYPE_CHECKING:
    from unlearn.ui.api import tools

__all__ = ["tools"]

__getattr__ = late.names(__name__, {"tools": f"{__name__}.tools"})
