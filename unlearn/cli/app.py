"""``python -m unlearn app``: serve the demo."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from unlearn import app, late
from unlearn.app.startup import Lazy
from unlearn.config import Settings

HELP = "Serve the demo."
EXAMPLES = ("app", "app --host 127.0.0.1 --port 7861")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: UNLEARN_HOST, or 0.0.0.0)")
    parser.add_argument("--port", type=int, metavar="N", help="port to listen on (default: UNLEARN_PORT, or 7860)")


def run(arguments: argparse.Namespace) -> None:
    """Go the way settings → services → page → server."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    given = {name: value for name in ("host", "port") if (value := getattr(arguments, name)) is not None}
    settings = replace(Settings.from_env(), **given)
    # Gradio reads the environment, and makes folders, when it is imported.
    late.imported("unlearn.ui.server.own_folder:make_own_folder")()
    services = Lazy(lambda: app.loading.load_services(settings))
    demo = late.imported("unlearn.ui.page:build_demo")(services)
    late.imported("unlearn.ui.server.server:launch")(demo, services, settings)
