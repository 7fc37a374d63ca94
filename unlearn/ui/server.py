"""Starting the web server with the limits of the settings."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import warnings
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from unlearn import zero_gpu  # noqa: F401  it decorates a function, which ZeroGPU looks for when the server starts
from unlearn.config import Settings
from unlearn.errors import ParameterError
from unlearn.logs import keep_words_out
from unlearn.ui.door import Door
from unlearn.ui.listeners import Listeners
from unlearn.ui.loading import Provider
from unlearn.ui.own_folder import remove_own_folder
from unlearn.ui.theme import CSS, build_theme
from unlearn.ui.visits import ending_visits

#: Events that may run at once; more would only share the same cores.
CONCURRENCY = 4
#: What keeps the page from losing a click.
ANSWERS = Path(__file__).parent / "answers.js"


def launch(demo: gr.Blocks, services: Provider, settings: Settings) -> None:
    """Serve ``demo`` until interrupted; the services are loaded once the page answers.

    Raises:
        ParameterError: the port is taken, or the address is not this machine's.
        ModelError, PictureError: the services cannot be loaded; nothing is served any longer.
    """
    keep_words_out()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: _end(number))
    start(demo, services, settings)
    services().warm_up()
    demo.block_thread()


def _end(number: int) -> None:
    """Delete visitors' files and be gone, with the exit code that shells give a signal.

    Open pages and the step that a run is in are not waited for, as a container is given little time; and an interpreter
    that is left in order aborts while torch computes in a thread.
    """
    remove_own_folder()
    os._exit(128 + number)


def start(demo: gr.Blocks, services: Provider, settings: Settings) -> str:
    """Serve ``demo`` from a thread of its own; returns its local address.

    Raises:
        ParameterError: the port is taken, or the address is not this machine's.
    """
    _require_free(settings.host, settings.port)
    # Uvicorn takes it from nowhere else, and gradio starts uvicorn.
    os.environ["FORWARDED_ALLOW_IPS"] = settings.trusted_proxies
    demo.queue(max_size=settings.queue_size, default_concurrency_limit=CONCURRENCY)
    with warnings.catch_warnings():
        # Gradio's tools keep no state between calls; ours need none, see unlearn/ui/assistants.py.
        warnings.filterwarnings("ignore", message="This MCP server includes a tool that has a gr.State input")
        _, address, _ = _launch(demo, services, settings)
    return str(address)


def _launch(demo: gr.Blocks, services: Provider, settings: Settings) -> tuple[Any, str, str]:
    return demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        prevent_thread_lock=True,
        theme=build_theme(),
        css=CSS,
        head=f"<script>{ANSWERS.read_text(encoding='utf-8')}</script>",
        footer_links=["api"],
        allowed_paths=[],
        app_kwargs={
            "lifespan": lambda app: ending_visits(app, services),
            "middleware": [Middleware(Door, settings=settings), Middleware(Listeners)],
        },
        max_file_size=f"{settings.max_upload_mb}mb",
        mcp_server=importlib.util.find_spec("mcp") is not None,
        ssr_mode=False,
        share=False,
        show_error=False,
    )


def _require_free(host: str, port: int) -> None:
    """Fail with a sentence before gradio fails with a traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ParameterError(
                f"Cannot listen on {host}:{port} ({error}). Choose another with UNLEARN_PORT or UNLEARN_HOST."
            ) from error
