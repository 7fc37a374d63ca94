"""Settings: from the environment, and as the documents show them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from unlearn.config import Settings
from unlearn.errors import ParameterError

PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")


def test_settings_come_from_the_environment():
    assert Settings.from_env({}) == Settings()
    given = Settings.from_env({"UNLEARN_PORT": " 8000 ", "UNLEARN_MODEL": "RN50/openai", "PORT": "1"})
    assert (given.port, given.model) == (8000, "RN50/openai")


def test_gradios_own_variables_work_and_ours_go_before_them():
    theirs = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": "8001", "GRADIO_SHARE": "True"}
    given = Settings.from_env(theirs)
    assert (given.host, given.port, given.share) == ("127.0.0.1", 8001, True)
    assert Settings.from_env(theirs | {"UNLEARN_PORT": "8002", "UNLEARN_SHARE": "no"}).port == 8002
    assert Settings.from_env(theirs | {"UNLEARN_SHARE": "no"}).share is False
    for name, text, said in (
        ("GRADIO_SERVER_PORT", "x", "GRADIO_SERVER_PORT is 'x'"),
        ("GRADIO_SHARE", "perhaps", "true or false"),
        ("GRADIO_ALLOWED_PATHS", "/", "unset it"),
    ):
        with pytest.raises(ParameterError, match=said):
            Settings.from_env({name: text})


@pytest.mark.parametrize("text", ["x", "", "0", "-1", "1.5", "1e3", "٣", "0x10"])
def test_what_is_no_number_is_told(text: str):
    with pytest.raises(ParameterError, match="UNLEARN_PORT is .*must be a whole number of at least 1"):
        Settings.from_env({"UNLEARN_PORT": text})


def test_a_space_has_a_proxy_in_front_and_strangers_behind_it():
    on_space = Settings.from_env({"SPACE_ID": "somebody/unlearn"})
    assert "10.0.0.0/8" in on_space.trusted_proxies
    assert "https://huggingface.co" in on_space.frame_ancestors
    assert on_space.visitors_models == "curated"
    assert on_space.port == Settings().port
    own = Settings.from_env({"SPACE_ID": "somebody/unlearn", "UNLEARN_TRUSTED_PROXIES": "192.0.2.1"})
    assert own.trusted_proxies == "192.0.2.1"


def test_the_documents_show_every_setting_with_its_default_and_meaning():
    assert Settings.table() in PAGE, f"The table in docs/settings.md should be:\n\n{Settings.table()}\n"


def test_every_setting_says_what_it_means():
    assert all(len(entry.metadata["help"]) > 10 for entry in fields(Settings))
