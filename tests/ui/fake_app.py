"""The app over the fake model, as a process: ``python tests/ui/fake_app.py`` with the settings in the environment."""

from unlearn.config import Settings
from unlearn.ui.own_folder import make_own_folder

if __name__ == "__main__":
    make_own_folder()
    from fakes import fake_services

    from unlearn.ui.page import build_demo
    from unlearn.ui.server import launch

    services = fake_services()
    launch(build_demo(lambda: services), lambda: services, Settings.from_env())
