"""A report holds everything in one file, tells what was measured, and lets nobody's words become markup."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from ui.fakes import fake_services

from unlearn.cli import build_parser
from unlearn.concepts import load_vocabulary, select
from unlearn.erasers import ccup, cliperase
from unlearn.export.record import Record
from unlearn.report.command import command_of
from unlearn.report.html import render
from unlearn.report.measured import DrawnPair, Report, measure_report
from unlearn.trade_off import sweep_strength
from unlearn.variants import CCUP, ORIGINAL

FORGET = ["cat", "<script>alert('x')</script> thing"]


def record(selection, settings, method="ccup") -> Record:
    parameters = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    return Record(method, "fake & co", parameters, selection, {}, 0, {"input": "0" * 64}, {"torch": "2"})


@pytest.fixture(scope="module")
def report() -> Report:
    services = fake_services()
    encoder, vocabulary, gallery = services.models.own, services.vocabulary, services.gallery
    selection = select(FORGET, vocabulary=vocabulary)
    erasure = ccup.erase(encoder, selection, vocabulary=vocabulary)
    return measure_report(
        {ORIGINAL: encoder, CCUP: erasure.apply(encoder)},
        [record(selection, erasure.settings)],
        gallery,
        vocabulary,
        picture=gallery.pictures[0],
        curves=tuple(sweep_strength(encoder, gallery, selection, erasure.settings, vocabulary=vocabulary)),
        drawn=DrawnPair("a <b>cat</b>", "pocket", [gallery.pictures[0].load()], [gallery.pictures[2].load()]),
        link="?forget=cat",
    )


class Reader(HTMLParser):
    """Collects what a browser would load, and which elements there are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.elements: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_nothing_is_loaded_from_elsewhere_and_no_word_becomes_markup(report: Report):
    page = render(report)
    read = Reader(page)
    assert read.loaded
    assert all(address.startswith("data:image/") for address in read.loaded)
    assert not {"script", "iframe", "link", "object"} & set(read.elements)
    assert "alert" in page
    assert "<script" not in page
    assert "a &lt;b&gt;cat" in page
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_numbers_are_those_measured(report: Report):
    first = report.measures[0]
    assert first.values == {ORIGINAL: 1.0, CCUP: 0.0}
    assert first.n == 2
    assert "<td>100.0</td><td>0.0</td><td>2</td>" in render(report)
    assert report.looks[0].title == "cat"
    assert all(neighbour.name in render(report) for neighbour in report.at_risk)


def test_without_curves_and_drawings_their_sections_are_not_there(report: Report):
    page = render(replace(report, curves=(), drawn=None, link=""))
    assert "Against the strength" not in page
    assert "What is drawn" not in page
    assert "In the app" not in page


VOCABULARY = load_vocabulary()
SETTINGS = ccup.Settings("nullspace", 0.4, 900.0, 20.0, "both", False)


@pytest.mark.parametrize(
    ("selection", "settings", "method"),
    [
        (select(["hot dog", "it's; rm -rf"], vocabulary=VOCABULARY), ccup.Settings(), "ccup"),
        (select("cat", ["dog", "the cat's dog"], vocabulary=VOCABULARY), SETTINGS, "ccup"),
        (select("cat", vocabulary=VOCABULARY), cliperase.Settings(steps=7, trainable="lora", seed=3), "cliperase"),
    ],
)
def test_the_command_asks_the_command_line_for_the_same(selection, settings, method):
    words = shlex.split(command_of(record(selection, settings, method)))
    assert words[:4] == ["python", "-m", "unlearn", "erase"]
    asked = build_parser().parse_args(words[3:])
    assert asked.method == method
    assert tuple(asked.forget) == selection.forget_names
    assert select(asked.forget, asked.retain, vocabulary=VOCABULARY).retain == selection.retain
    if method == "ccup":
        told = (asked.mode, asked.strength, asked.lam or 1000.0, asked.mu or 100.0, asked.side, not asked.no_synonyms)
        assert ccup.Settings(*told) == settings
    else:
        given = {name: getattr(asked, name) for name in settings.__dataclass_fields__}
        assert cliperase.Settings(**given) == settings


def test_a_long_retain_list_goes_into_a_file():
    selection = select("cat", VOCABULARY.names[50:200], vocabulary=VOCABULARY)
    command = command_of(record(selection, ccup.Settings()))
    assert "--retain-file retain.txt" in command
    assert command.endswith("one a line")
