"""The demo: settings → services → page → server."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

from unlearn.app.startup import lazy_services
from unlearn.config import Settings
from unlearn.errors import UnlearnError
from unlearn.ui.server.own_folder import make_own_folder


def main() -> int:
    """Serve until interrupted; 1 if the server cannot start."""
    try:
        settings = Settings.from_env()
        make_own_folder()  # gradio makes folders when it is imported
        from unlearn.ui.page import build_demo
        from unlearn.ui.server.server import launch

        services = lazy_services(settings)
        launch(build_demo(services), services, settings)
    except UnlearnError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
