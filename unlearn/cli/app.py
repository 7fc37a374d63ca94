"""``python -m unlearn app``: serve the demo."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

HELP = "Serve the demo: settings → services → page → server."
EXAMPLES = ("app", "app --host 127.0.0.1 --port 7861")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: UNLEARN_HOST, or 0.0.0.0)")
    parser.add_argument("--port", type=int, metavar="N", help="port to listen on (default: UNLEARN_PORT, or 7860)")


def run(arguments: argparse.Namespace) -> None:
    # Imported here: gradio reads the environment, and makes folders, when it is imported.
    from unlearn.app.startup import lazy_services
    from unlearn.config import Settings
    from unlearn.ui.server.own_folder import make_own_folder

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    given = {name: value for name in ("host", "port") if (value := getattr(arguments, name)) is not None}
    settings = replace(Settings.from_env(), **given)
    make_own_folder()
    from unlearn.ui.page import build_demo
    from unlearn.ui.server.server import launch

    services = lazy_services(settings)
    launch(build_demo(services), services, settings)
