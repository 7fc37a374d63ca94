"""External input of the page: an address or a file. A valid one is applied; an invalid one changes nothing."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

import gradio as gr

from unlearn import app
from unlearn.erasers.variants import CCUP, MADE_BY
from unlearn.errors import UnlearnError

if TYPE_CHECKING:
    from unlearn.app.links import Link
    from unlearn.app.services import Services
    from unlearn.app.session import Session, Visitor


def follow_address(services: Services, visitor: Visitor, query: str, otherwise: Link) -> Link:
    """Apply the link in ``query``, or ``otherwise`` if that fails; return the link that was applied.

    A query without an erasure gets that of ``otherwise``.
    """
    try:
        link = app.links.read_link(query)
        link = link if link.erasure else replace(link, erasure=otherwise.erasure)
        app.imports.follow(services, visitor, link)
    except UnlearnError as error:
        gr.Warning(html.escape(f"The link could not be followed. {error}"))
        app.imports.follow(services, visitor, otherwise)
        return otherwise
    return link


def open_file(services: Services, visitor: Visitor, path: str | None) -> Session:
    """Open the file at ``path``, report its contents to the visitor, and return the session.

    Raises:
        InvalidInputError: the file is not valid.
        JobError: the file needs a background run, and none can be queued.
    """
    record = app.imports.open_edit(services, visitor, path)
    erased = f"{', '.join(record.selection.forget_names)}, erased by {MADE_BY[record.method]}"
    when = "Every view shows it."
    if MADE_BY[record.method] != CCUP:
        when = "Its pictures are being encoded, as the CLIPErase tab shows; then every view shows it."
    gr.Info(html.escape(f"{erased}. {when}"), title="Opened")
    return visitor.session
