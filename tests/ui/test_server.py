"""Starting: what stands in the way is a sentence, and nothing heavy is imported before the page is up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_app(**settings: str) -> subprocess.CompletedProcess[str]:
    """``python app.py`` with ``settings`` in its environment, to its end."""
    command, environ = [sys.executable, "app.py"], os.environ | settings
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_a_taken_port_is_told_and_the_app_ends():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ended = run_app(UNLEARN_PORT=str(port), UNLEARN_HOST="127.0.0.1")
    assert ended.returncode == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_setting_that_is_no_number_is_told():
    ended = run_app(UNLEARN_PORT="many")
    assert ended.returncode == 2
    assert ended.stderr.strip() == "app: UNLEARN_PORT is 'many'; it must be a whole number of at least 1."


def test_a_port_that_does_not_exist_is_told():
    ended = run_app(UNLEARN_PORT="99999")
    assert ended.returncode == 2
    assert "Choose another with UNLEARN_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_page_is_built_without_torch_and_without_a_model():
    code = (
        "import sys\n"
        "from unlearn import app\n"
        "from unlearn.app.startup import Lazy\n"
        "from unlearn.ui.page import build_demo\n"
        "from unlearn.config import Settings\n"
        "build_demo(Lazy(lambda: app.loading.load_services(Settings())))\n"
        "print([name for name in ('torch', 'open_clip', 'transformers', 'diffusers') if name in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
