"""CLIPErase through the API: it streams, it stops, and says in a sentence what cannot be done."""

from __future__ import annotations

import pytest
from conftest import visiting
from gradio_client import Client
from gradio_client.exceptions import AppError


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


def test_what_cannot_be_run_is_told(client: Client, real_app: str):
    assert client.predict(api_name="/cancel") == {"state": "none"}
    with pytest.raises(AppError, match="cannot be fine-tuned"):
        client.predict(["cat"], api_name="/cliperase")
    with visiting(real_app) as visitor:
        with pytest.raises(AppError, match="no picture of “unicycle”"):
            visitor.predict(["unicycle"], api_name="/cliperase")
        with pytest.raises(AppError, match="steps is 0"):
            visitor.predict(["cat"], 0, api_name="/cliperase")
