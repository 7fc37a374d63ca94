"""CLIPErase and drawing through the API: they stream, they stop, and say in a sentence what cannot be done."""

from __future__ import annotations

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.calling import visiting

from unlearn.erasers.settings import PRESETS


def test_a_run_streams_its_state_and_stops_when_told(real_app: str):
    with visiting(real_app) as client:
        states = []
        for report in client.submit(["pizza"], api_name="/cliperase"):
            if not states:
                assert client.predict(api_name="/cancel")["state"] in {"waiting", "running", "cancelled"}
            states.append(report["state"])
        assert states[0] in {"waiting", "running"}
        assert states[-1] == "cancelled"
        assert client.predict(api_name="/cancel")["state"] == "cancelled", "to stop twice does no harm"
        erased = client.predict(["pizza"], api_name="/erase")
        assert list(erased["accuracy"]) == ["Original", "CCUP"], "a run that was stopped changes nothing"


def test_numbers_that_a_program_leaves_open_suit_what_trains(folder_app: str):
    with visiting(folder_app) as client:
        answer = set()
        for report in client.submit(["pizza"], trainable="last_blocks", api_name="/cliperase"):
            if "loss" in report:
                answer.add(report["total"])
                client.predict(api_name="/cancel")
        assert answer == {PRESETS["last_blocks"]["steps"]}


def test_both_edits_go_into_one_file_and_come_back(folder_app: str):
    with visiting(folder_app) as client, visiting(folder_app) as other:
        *_, last = client.submit(["pizza"], api_name="/cliperase")
        assert last["state"] == "done"
        client.predict(["cat"], strength=0.6, api_name="/erase")
        path, answer = client.predict("edit", "", api_name="/export")
        assert answer["title"].endswith("cat, pizza erased by CLIPErase + CCUP")
        record = other.predict(handle_file(path), api_name="/import")
        assert [part["method"] for part in record["parts"]] == ["cliperase", "ccup"]
        found = other.predict("a cat and a pizza", api_name="/retrieve")
        assert found == client.predict("a cat and a pizza", api_name="/retrieve")
        assert found["forget"] == ["cat", "pizza"]
        assert "CLIPErase + CCUP" in found["images"]
        assert other.predict(api_name="/link") == client.predict(api_name="/link")


def test_what_cannot_be_run_is_told(client: Client, real_app: str):
    assert client.predict(api_name="/cancel") == {
        "state": "none",
        "drawing": "none",
        "audit": "none",
        "trade_off": "none",
    }
    with pytest.raises(AppError, match="cannot be fine-tuned"):
        client.predict(["cat"], api_name="/cliperase")
    with visiting(real_app) as visitor:
        with pytest.raises(AppError, match="no picture of “unicycle”"):
            visitor.predict(["unicycle"], api_name="/cliperase")
        with pytest.raises(AppError, match="steps is 0"):
            visitor.predict(["cat"], 0, api_name="/cliperase")


def test_a_program_draws_before_and_after(real_app: str):
    with visiting(real_app) as client:
        with pytest.raises(AppError, match="Nothing is erased yet"):
            client.predict("a cat", api_name="/generate")
        client.predict(["cat"], api_name="/erase")
        *_, last = client.submit("a cat and a pizza", "pocket", 3, 1, 4, api_name="/generate")
        assert last["state"] == "done", last["message"]
        assert last["seeds"] == [3]
        assert set(last["seen"]) == {"cat", "pizza"}
        assert last["before"][0].startswith("data:image/png;base64,")
        assert last["before"] != last["after"]
        with pytest.raises(AppError, match="seed is -1"):
            client.predict("a cat", "pocket", -1, api_name="/generate")


def test_an_audit_streams_and_stops(real_app: str):
    with visiting(real_app) as client:
        with pytest.raises(AppError, match="Nothing is erased yet"):
            client.predict(api_name="/audit")
        client.predict(["cat"], api_name="/erase")
        with pytest.raises(AppError, match="concept is 'dog'; choose one of cat"):
            client.predict("dog", api_name="/audit")
        states = []
        for report in client.submit("cat", api_name="/audit"):
            if not states:
                client.predict(api_name="/cancel")
            states.append(report["state"])
        assert states[-1] == "cancelled"
        assert client.predict(api_name="/cancel")["audit"] == "cancelled"
