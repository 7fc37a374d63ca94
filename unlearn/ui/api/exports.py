"""Endpoints for files and links, as in the Export tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.erasers.variants import CCUP, MADE_BY
from unlearn.errors import JobError
from unlearn.ui.api.endpoints import OBJECT, TEXT, endpoint, erase_first, erased_first
from unlearn.ui.background import poll
from unlearn.ui.guard import for_programs


@dataclass(frozen=True)
class ExportEndpoints:
    """``/export``, ``/import`` and ``/link``."""

    services: Provider

    def export(self, visitor: Visitor, kind: str = "edit", edit: str = "") -> tuple[str, dict[str, Any]]:
        """Make a file of the erasure of this session; it is there until the next one is made or the session ends.

        Args:
            kind: "edit", "open_clip", "transformers", "token_gate", "cross_attention", "report" or "record".
            edit: "CCUP", "CLIPErase" or "CLIPErase + CCUP"; "" is all that is active.

        Returns:
            The file, and what it is of with code that uses it without this app.
        """
        made = app.exports.make_export(self.services(), visitor, kind, edit)
        return str(made.path), {"title": made.title, "code": made.code}

    async def open_file(self, visitor: Visitor, file: str | None) -> AsyncIterator[dict[str, Any]]:
        """Open an edit.safetensors that was made here or by `erase`; this session's later calls compare it.

        Args:
            file: The file, of the same base model.

        Returns:
            Its record: method, parameters, concepts, metrics and hashes.
        """
        record = await asyncio.to_thread(lambda: app.imports.open_edit(self.services(), visitor, file))
        if MADE_BY[record.method] != CCUP:
            async for status in poll(lambda: app.imports.OPENING.find(self.services(), visitor)):
                if status is None or status.state in ("failed", "cancelled"):
                    raise JobError(status.message if status and status.message else "The file's run was stopped.")
        yield record.to_json()

    def link(self, visitor: Visitor, forget: Sequence[str] = ()) -> dict[str, Any]:
        """The link that opens the page with the model, words, erasure and settings of this session.

        Args:
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            The query to put behind the app's address, from its question mark on.
        """
        erase_first(self.services, visitor, forget)
        return {"link": app.links.write_link(app.links.link_of(self.services(), visitor.session))}

    def register(self, visitor: gr.State) -> None:
        options: dict[str, Any] = {"show_progress": "hidden"}
        with gr.Row(visible=False):
            made, given = gr.File(label="File"), gr.File(label="edit.safetensors")
        asked = [Api("edit", TEXT, "What to make"), Api("", TEXT, "Whose edit")]
        result = Api(None, OBJECT, "Result")
        gr.on([], for_programs(self.export), [visitor, *asked], [made, result], api_name="export", **options)
        # Its wait for a run holds no thread, so any number of calls may wait.
        opening = for_programs(self.open_file)
        gr.on([], opening, [visitor, given], [result], api_name="import", concurrency_limit=None, **options)
        endpoint(self.link, visitor, erased_first())
