"""A background run on the screen: every change of it is seen once, its end is the last, its words are escaped."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
from helpers.fakes import drawing

from unlearn.progress import Progress, State, Status
from unlearn.ui import background
from unlearn.ui.background import button_states, poll, status_html

RUNNING = Status(State.RUNNING, progress=(Progress(1, 9, "At 1."),), fraction=1 / 9)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(background, "POLL", 0)


def seen(states):
    looks = iter(states)

    async def collect():
        return [status async for status in poll(lambda: next(looks))]

    return asyncio.run(collect())


def test_a_run_is_shown_whenever_it_has_changed_until_it_has_ended():
    waiting, done = Status(State.WAITING), Status(State.DONE, result="it")
    assert seen([waiting, waiting, RUNNING, RUNNING, done, "never looked at"]) == [waiting, RUNNING, done]
    assert seen([None, "never looked at"]) == [None]
    assert seen([RUNNING, None, "never looked at"]) == [RUNNING, None], "a run that was forgotten is over"


def test_one_of_start_and_stop_can_be_pressed():
    for status in (None, RUNNING, Status(State.WAITING), Status(State.FAILED)):
        start, stop = (update["interactive"] for update in button_states(status))
        assert start != stop
        assert start == (status is None or status.ended)


def test_a_run_is_a_sentence_and_a_bar_only_while_it_moves():
    images = drawing("cat", 4), drawing("dog", 4)

    def shown(status):
        return re.sub(r"\n\s*", "", status_html(status, stopped="Stopped.", preview=images))

    assert "At 1." in shown(RUNNING)
    bar = '<progress aria-label="Progress" max="1"'
    assert f'{bar} value="0.111"></progress><div class="u-preview"><img src="data:image/' in shown(RUNNING)
    assert f"{bar}></progress>" in shown(Status(State.WAITING)), "how far it is, is not known"
    assert "At 1. About 40 s left." in shown(replace(RUNNING, seconds_left=40))
    assert "At 1. About 3 minutes left." in shown(replace(RUNNING, seconds_left=170))
    assert "Stopping …" in shown(replace(RUNNING, stopping=True))
    assert "Queued: 2 before you." in shown(Status(State.WAITING, queue_position=2))
    for wait, text in ((0, "less than a minute"), (60, "about a minute"), (170, "about 3 minutes")):
        assert f"Queued: 2 before you, {text}." in shown(Status(State.WAITING, queue_position=2, wait=wait))
    assert "&lt;cat&gt;" in shown(Status(State.FAILED, message="<cat>"))
    assert "Stopped." in shown(Status(State.CANCELLED))
    assert "Starting …" in shown(Status(State.RUNNING))
    assert shown(Status(State.DONE)) == ""
    for state in set(State) - {State.RUNNING}:
        assert ("<progress" in shown(Status(state))) == (state is State.WAITING)
        assert "<img" not in shown(Status(state))
