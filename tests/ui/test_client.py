"""A program does the whole job through ``gradio_client``, and what cannot be done is told in a sentence."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.fakes import NAMES, drawing
from helpers.strange_files import UNUSABLE, UNUSUAL


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    drawing("cat").save(path)
    return path


def test_the_endpoints_are_documented(client: Client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    compared = {"/erase", "/zero_shot", "/retrieve", "/trade_off", "/cliperase", "/generate", "/cancel"}
    assert set(endpoints) >= compared | {"/link"}
    assert all(len(endpoint["description"]) > 80 for endpoint in endpoints.values())
    assert [p["parameter_name"] for p in endpoints["/erase"]["parameters"]] == [
        "forget", "retain", "own_retain", "form", "strength", "lam", "mu", "side", "synonyms",
    ]  # fmt: skip
    assert endpoints["/erase"]["parameters"][0]["python_type"]["type"] == "list[str]"


def test_a_program_does_the_whole_job(client: Client, cat: Path):
    erased = client.predict(["kitten"], api_name="/erase")
    assert erased["forget"] == ["cat"]
    assert "another word for" in erased["notices"][0]
    assert erased["accuracy"]["Original"]["forget"] == {"top1": 1.0, "top5": 1.0, "n": 2}
    assert erased["accuracy"]["CCUP"]["forget"]["top1"] == 0.0
    assert erased["accuracy"]["CCUP"]["retain"]["top1"] == 1.0
    assert "cat" not in [neighbour["name"] for neighbour in erased["at_risk"]]

    seen = client.predict(["cat", "dog", "pizza"], handle_file(cat), api_name="/zero_shot")["probabilities"]
    assert max(seen["Original"], key=seen["Original"].get) == "cat"
    assert max(seen["CCUP"], key=seen["CCUP"].get) != "cat"
    assert sum(seen["CCUP"].values()) == pytest.approx(1, abs=1e-4)

    found = client.predict("a cat", api_name="/retrieve")
    assert found["images"]["Original"][0]["concept"] == "cat"
    assert found["captions"]["Original"][0]["concept"] == "cat"
    assert found["recall"]["CCUP"]["image_to_text"]["forget"]["recall@1"] == 0.0
    assert found["recall"]["CCUP"]["text_to_image"]["retain"]["n"] == 2 * (len(NAMES) - 1)

    cost = client.predict(api_name="/trade_off")
    at_zero = [point for point in cost["by_strength"] if point["strength"] == 0]
    assert {point["form"] for point in at_zero} == {"paired", "consistent", "nullspace"}
    assert all(point["forget"] == 1.0 for point in at_zero)
    before, after = cost["similarity"]["Original"], cost["similarity"]["CCUP"]
    assert after[0][0] < 0.3 < before[0][0]
    assert cost["names"][0] == "cat"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"forget": []}, "name at least one"),
        ({"forget": ["  "]}, "name at least one"),
        ({"forget": ["😀"]}, "has no letters"),
        ({"forget": ["x" * 10_000]}, "10,000 characters"),
        ({"forget": [f"thing {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(500)]}, "500 concepts"),
        ({"forget": list(NAMES)}, "leave at least one"),
        ({"forget": ["cat"], "strength": 7}, "from 0 to 1"),
        ({"forget": ["cat"], "strength": "NaN"}, "must be a number"),
        ({"forget": 5}, "must be a list of texts"),
        ({"forget": ["cat"], "form": "gentle"}, "choose one of"),
        ({"forget": ["cat"], "side": "left"}, "choose one of"),
        ({"forget": ["cat"], "lam": -1}, "lambda"),
        ({"forget": ["cat"], "mu": 1e9}, "mu"),
        ({"forget": ["cat"], "retain": "all"}, "choose one of"),
        ({"forget": ["cat"], "retain": "list", "own_retain": []}, "retain list is empty"),
        ({"forget": ["cat"], "retain": "list", "own_retain": ["dog", "kitten"]}, "take it off one"),
    ],
)
def test_a_request_that_cannot_be_used_is_told_why_and_changes_nothing(client: Client, arguments, sentence):
    client.predict(["dog"], api_name="/erase")
    with pytest.raises(AppError, match=sentence) as raised:
        client.predict(**arguments, api_name="/erase")
    assert "Traceback" not in str(raised.value)
    assert client.predict("a cat", api_name="/retrieve")["forget"] == ["dog"]


def posted(address: str, name: str, body: object) -> str:
    """The last event of a call without a client."""
    accepted = httpx.post(f"{address}/gradio_api/call/{name}", json=body, timeout=30)
    if accepted.is_error:
        return accepted.json()["detail"]
    name = name.removeprefix("v2/")
    stream = httpx.get(f"{address}/gradio_api/call/{name}/{accepted.json()['event_id']}", timeout=60).text
    return stream.rstrip().splitlines()[-1]


def test_values_that_are_left_out_are_defaults(fake_app: str):
    assert '"form": "paired"' in posted(fake_app, "erase", {"data": [["cat"]]})
    assert '"link"' in posted(fake_app, "link", {})
    assert "needs a value for “forget”" in posted(fake_app, "erase", {"data": []})
    assert "name at least one" in posted(fake_app, "erase", {"data": [[""]]})


def test_nulls_of_the_javascript_client_are_defaults(fake_app: str):
    events = httpx.get(f"{fake_app}/config", timeout=60).json()["dependencies"]
    (erase,) = (event for event in events if event["api_name"] == "erase")
    asked = {
        "data": [None, ["cat"], *[None] * (len(erase["inputs"]) - 2)],
        "fn_index": erase["id"],
        "session_hash": "js",
    }
    httpx.post(f"{fake_app}/gradio_api/queue/join", json=asked, timeout=60).raise_for_status()
    with httpx.stream("GET", f"{fake_app}/gradio_api/queue/data?session_hash=js", timeout=60) as stream:
        done = next(line for line in stream.iter_lines() if "process_completed" in line)
    assert '"success":true' in done
    assert '"form":"paired"' in done


@pytest.mark.parametrize("word", ["שלום", "Straße", "crème brûlée", "<b>cat</b>"])
def test_any_word_can_be_erased(client: Client, word: str):
    erased = client.predict([word], api_name="/erase")
    assert erased["forget"] == [word]
    assert "not in the vocabulary" in erased["notices"][0]


@pytest.mark.parametrize(("name", "make", "sentence"), [(n, m, s) for n, (m, s) in UNUSABLE.items()])
def test_a_file_that_is_no_image_is_told_why(client: Client, tmp_path: Path, name, make, sentence):
    make(tmp_path / name)
    with pytest.raises(AppError, match=sentence):
        client.predict([], handle_file(tmp_path / name), api_name="/zero_shot")


@pytest.mark.parametrize(("name", "make"), UNUSUAL.items())
def test_an_unusual_image_is_read(client: Client, tmp_path: Path, name, make):
    make(tmp_path / name)
    assert client.predict([], handle_file(tmp_path / name), api_name="/zero_shot")["probabilities"]["Original"]


def test_without_a_image_or_an_erasure_the_next_step_is_named(new_client: Client):
    with pytest.raises(AppError, match="upload one"):
        new_client.predict([], api_name="/zero_shot")
    with pytest.raises(AppError, match="name at least one concept"):
        new_client.predict(api_name="/trade_off")


def test_another_vocabulary_is_this_clients_alone_and_what_is_erased_stays_erased(fake_app: str, new_client: Client):
    new_client.predict(["cat"], api_name="/erase")
    facts = new_client.predict("", "cat, dog, spaceship", api_name="/model")
    assert (facts["name"], facts["words"]) == ("fake", 3)
    found = new_client.predict("a cat", api_name="/retrieve")
    assert found["forget"] == ["cat"]
    other = Client(fake_app, verbose=False)
    assert other.predict("", api_name="/model")["words"] == 24
    other.close()


@pytest.mark.parametrize(
    "name", ["ViT-B-32//etc/passwd", "ViT-B-32/../../x", "local-dir:/etc", "hf-hub:../..", "nothing"]
)
def test_a_models_name_is_no_path_and_a_refused_one_changes_nothing(new_client: Client, name: str):
    new_client.predict(["cat"], api_name="/erase")
    with pytest.raises(AppError, match="no model|is not among"):
        new_client.predict(name, api_name="/model")
    assert new_client.predict("", api_name="/model")["name"] == "fake"
    assert new_client.predict("a cat", api_name="/retrieve")["forget"] == ["cat"]


def test_two_visitors_at_once_never_see_each_others_erasure(fake_app: str):
    mixed_up: list[str] = []
    both_ready = threading.Barrier(2)

    def visit(concept: str, other: str) -> None:
        visitor = Client(fake_app, verbose=False)
        for strength in (1.0, 0.9, 0.8, 0.7):
            both_ready.wait(timeout=60)
            own = visitor.predict([concept], strength=strength, api_name="/erase")
            found = visitor.predict(f"a {other}", api_name="/retrieve")
            if own["forget"] != [concept] or own["settings"]["strength"] != strength or found["forget"] != [concept]:
                mixed_up.append(f"{concept}: {own['forget']}, {found['forget']}")
            if found["images"]["CCUP"][0]["concept"] != other:
                mixed_up.append(f"{concept}'s visitor lost {other}")

    visits = [threading.Thread(target=visit, args=pair) for pair in (("cat", "guitar"), ("guitar", "cat"))]
    for thread in visits:
        thread.start()
    for thread in visits:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert not mixed_up


def test_a_link_opens_the_page_with_what_a_program_erased(client: Client):
    client.predict(["cat", "rose"], strength=0.4, form="nullspace", api_name="/erase")
    assert client.predict(api_name="/link") == {"link": "?forget=cat,rose&form=nullspace&strength=0.4"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/hostname", "pyproject.toml"])
def test_a_file_of_the_server_is_not_opened(client: Client, path: str):
    with pytest.raises(AppError) as raised:
        client.predict({"path": path, "meta": {"_type": "gradio.FileData"}}, api_name="/import")
    assert "Traceback" not in str(raised.value)
