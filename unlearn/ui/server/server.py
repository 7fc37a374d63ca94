"""Web server with the limits of the settings."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import http_server
from starlette.middleware import Middleware

from unlearn import zero_gpu  # noqa: F401  it decorates a function, which ZeroGPU requires when the server starts
from unlearn.app.startup import Provider
from unlearn.config import Settings
from unlearn.errors import ParameterError
from unlearn.logs import keep_words_out
from unlearn.memory import keep_for_good, share_heaps
from unlearn.ui import api
from unlearn.ui.server.addresses import Proxies
from unlearn.ui.server.connections import BoundedServer, Connections, bound_socket, raise_file_limit
from unlearn.ui.server.listeners import Listeners
from unlearn.ui.server.own_folder import remove_own_folder
from unlearn.ui.server.request_filter import MEGABYTE, RequestFilter
from unlearn.ui.server.sessions import Visits
from unlearn.ui.server.uploads import Uploads
from unlearn.ui.theme import CSS, build_theme

#: Events that may run at once; more would only compete for the same cores.
CONCURRENCY = 4
#: Events that may be active at once, including those that only wait for a run.
THREADS = 200
#: Scripts that keep the page from losing a click, and that make charts and tables easier to read.
SCRIPTS = (Path(__file__).parent / "answers.js", Path(__file__).parents[1] / "html" / "page.js")


def launch(demo: gr.Blocks, services: Provider, settings: Settings) -> None:
    """Serve ``demo`` until interrupted; the services are loaded once the page answers.

    Raises:
        ParameterError: the port is taken, or the address is not this machine's.
        ModelError, ImageError: the services cannot be loaded; the server is stopped.
    """
    keep_words_out()
    share_heaps()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: _end(number))
    start(demo, services, settings)
    services().warm_up()
    keep_for_good()
    demo.block_thread()


def _end(number: int) -> None:
    """Delete visitors' files and exit at once, with the exit code that shells give a signal.

    Open pages and the current step of a run are not waited for, as a container is given little time; and an orderly
    exit of the interpreter aborts while torch computes in a thread.
    """
    remove_own_folder()
    os._exit(128 + number)


def start(demo: gr.Blocks, services: Provider, settings: Settings) -> str:
    """Serve ``demo`` from a separate thread; return its local address.

    Raises:
        ParameterError: the port is taken, or the address is not this machine's; or a proxy's name is not valid.
    """
    connections = Connections(raise_file_limit(), settings.connections_per_address, Proxies(settings.trusted_proxies))
    visits = Visits(demo, services, settings.sessions_per_address)
    server = partial(
        BoundedServer,
        listener=_listener(settings.host, settings.port),
        connections=connections,
        middleware=(
            RequestFilter,
            {"settings": settings, "demo": demo, "visits": visits, "open_requests": connections.per_address},
        ),
    )
    # This logger writes a line for every request that is not a valid upload.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # Uvicorn reads this from the environment alone, and gradio starts uvicorn.
    os.environ["FORWARDED_ALLOW_IPS"] = settings.trusted_proxies
    demo.queue(max_size=settings.queue_size, default_concurrency_limit=CONCURRENCY, api_open=False)
    with warnings.catch_warnings(), _started_as(server), _without_proxies(settings.host):
        # Gradio's tools keep no state between calls; the app's need none, see unlearn/ui/api/assistants.py.
        warnings.filterwarnings("ignore", message="This MCP server includes a tool that has a gr.State input")
        _, address, _ = _launch(demo, visits, settings)
    if demo.mcp_server_obj:
        api.tools.describe_tools(demo.mcp_server_obj)
    return str(address)


def _launch(demo: gr.Blocks, visits: Visits, settings: Settings) -> tuple[Any, str, str]:
    largest, kept = settings.max_upload_mb * MEGABYTE, settings.max_uploads_mb * MEGABYTE
    uploads = Middleware(Uploads, demo=demo, per_file=largest, per_address=kept)
    return demo.launch(
        server_name=f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host,
        server_port=settings.port,
        prevent_thread_lock=True,
        theme=build_theme(),
        css=CSS,
        head="".join(f"<script>{script.read_text(encoding='utf-8')}</script>" for script in SCRIPTS),
        footer_links=["api"],
        allowed_paths=[],
        app_kwargs={"lifespan": visits.ending, "middleware": [Middleware(Listeners), uploads]},
        max_file_size=f"{settings.max_upload_mb}mb",
        max_threads=THREADS,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        ssr_mode=False,
        share=settings.share,
        show_error=False,
        run_history=False,
    )


def _listener(host: str, port: int) -> socket.socket:
    """Return a bound socket; raise an error with a sentence before gradio fails with a traceback."""
    try:
        return bound_socket(host, port)
    except (OSError, OverflowError) as error:
        raise ParameterError(
            f"Cannot listen on {host}:{port} ({error}). Choose another with UNLEARN_PORT or UNLEARN_HOST."
        ) from error


@contextmanager
def _started_as(server: Callable[..., http_server.Server]) -> Iterator[None]:
    """Make gradio start ``server`` inside the block, as gradio has no parameter for it."""
    theirs = http_server.Server
    http_server.Server = server  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        http_server.Server = theirs  # type: ignore[misc]


@contextmanager
def _without_proxies(host: str) -> Iterator[None]:
    """Exempt gradio's requests to this app, now and for assistants' calls, from the proxies in the environment.

    Inside the block no proxy is used, as one of an unknown kind makes every request fail; afterwards the app's own
    addresses are exempt.
    """
    names = ("no_proxy", "NO_PROXY")
    listed = next((os.environ[name] for name in names if os.environ.get(name)), "")
    own = ",".join(dict.fromkeys(["localhost", "127.0.0.1", "::1", host.strip("[]")]))
    os.environ.update(dict.fromkeys(names, "*"))
    try:
        yield
    finally:
        os.environ.update(dict.fromkeys(names, f"{listed},{own}" if listed else own))
