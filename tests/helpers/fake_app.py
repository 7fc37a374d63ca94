"""The app over the fake model, as a process of its own, with its settings in the environment."""

import sys
from pathlib import Path

from unlearn.config import Settings
from unlearn.ui.server.own_folder import make_own_folder

if __name__ == "__main__":
    make_own_folder()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from helpers.fakes import fake_services
    from unlearn.ui.page import build_demo
    from unlearn.ui.server.server import launch

    services = fake_services()
    launch(build_demo(lambda: services), lambda: services, Settings.from_env())
