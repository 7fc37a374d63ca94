"""A visitor without a browser, who calls the endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gradio_client import Client


@contextmanager
def visiting(address: str) -> Iterator[Client]:
    visitor = Client(address, verbose=False)
    try:
        yield visitor
    finally:
        visitor.close()
