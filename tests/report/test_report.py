"""A report holds everything in one file, tells what was measured, and lets nobody's words become markup."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from helpers.fakes import fake_services

from unlearn.attacks.finding import Finding
from unlearn.attacks.groups import AUROC, Group
from unlearn.attacks.report import AuditReport as Audit
from unlearn.cli import build_parser, main
from unlearn.clip.loading import load_clip
from unlearn.concepts.selection import Vocabulary, load_vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.erasers.variants import CCUP, ORIGINAL
from unlearn.evaluation.intervals import Compared
from unlearn.export.record import Record
from unlearn.export.saved import load_recorded
from unlearn.files.assets import ASSETS
from unlearn.report.command import command_of
from unlearn.report.html import render
from unlearn.report.measured import AuditReport, DrawnPair, measure_report
from unlearn.sweeps.trade_off import sweep_strength

FORGET = ["cat", "<script>alert('x')</script> thing"]


def record(selection, settings, method="ccup") -> Record:
    parameters = {name: getattr(settings, name) for name in asdict(settings)}
    return Record(method, "fake & co", parameters, selection, {}, 0, {"input": "0" * 64}, {"torch": "2"})


FINDINGS = (
    Finding(Group.PROBES, "<b>a probe", AUROC, 1.0, 1.0, 0.5, n=9, others=40, meaning="It <i>leaks."),
    Finding(Group.RELATED, "Wider words", AUROC, 1.0, 1.0, 0.5, n=9, others=40),
    Finding(Group.INVERSE, "The edit's inverse", "", meaning="There is no projection."),
)


@pytest.fixture(scope="module")
def report() -> AuditReport:
    services = fake_services()
    encoder, vocabulary, gallery = services.models.own, services.vocabulary, services.gallery
    selection = select(FORGET, vocabulary=vocabulary)
    erasure = ccup.erase(encoder, selection, vocabulary=vocabulary)
    return measure_report(
        {ORIGINAL: encoder, CCUP: erasure.apply(encoder)},
        [record(selection, erasure.settings)],
        gallery,
        vocabulary,
        image=gallery.images[0],
        audit=Audit(selection.forget[0], FINDINGS, 1.0, n=9, known=3),
        curves=tuple(sweep_strength(encoder, gallery, selection, erasure.settings, vocabulary=vocabulary)),
        drawn=DrawnPair("a <b>cat</b>", "pocket", [gallery.images[0].load()], [gallery.images[2].load()]),
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


def test_nothing_is_loaded_from_elsewhere_and_no_word_becomes_markup(report: AuditReport):
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


def test_the_numbers_are_those_measured(report: AuditReport):
    first = report.measures[0]
    assert first.changes[CCUP] == Compared(torch.ones(2).bool(), torch.zeros(2).bool()).change()
    assert first.before.n == 2
    cells = (
        "100.0<small>34.2 to 100.0</small>",
        "0.0<small>0.0 to 65.8</small>",
        "−100.0<small>−100.0 to −7.0</small>",
    )
    assert "".join(f"<td>{cell}</td>" for cell in cells) + "<td>2</td>" in render(report)
    assert report.looks[0].title == "cat"
    assert all(neighbour.name in render(report) for neighbour in report.at_risk)


def test_without_curves_and_drawings_their_sections_are_not_there(report: AuditReport):
    page = render(replace(report, curves=(), drawn=None, link=""))
    assert "Against the strength" not in page
    assert "What is drawn" not in page
    assert "In the app" not in page


def test_where_no_image_has_a_label_the_page_says_so():
    services = fake_services()
    encoder, words = services.models.own, Vocabulary.of(["violin", "harp"])
    erasure = ccup.erase(encoder, select("harp", vocabulary=words), vocabulary=words)
    variants = {ORIGINAL: encoder, CCUP: erasure.apply(encoder)}
    page = render(measure_report(variants, [record(erasure.selection, erasure.settings)], services.gallery, words))
    assert "No picture of “fake” shows anything that the vocabulary has a word for" in page
    assert "<h2>How it was made" in page


def test_a_report_opens_with_the_answer_of_the_attacks_or_says_that_there_were_none(report):
    page = render(report)
    assert page.index("Not gone.") < page.index("What it costs")
    assert "the model and 3 pictures gets it back (1 of 1 succeed)" in page
    assert "&lt;b&gt;a probe" in page
    assert "not counted" in page
    without = render(replace(report, audit=None))
    assert "No attack was run" in without
    assert "Not gone" not in without


VOCABULARY = load_vocabulary()
SETTINGS_OF_CCUP = ("form", "strength", "side", "synonyms", "lam", "mu")
SETTINGS = CCUPSettings("consistent", 0.4, 900.0, 20.0, "both", False)


@pytest.mark.parametrize(
    ("selection", "settings", "method"),
    [
        (select(["hot dog", "it's; rm -rf"], vocabulary=VOCABULARY), CCUPSettings(), "ccup"),
        (select("cat", ["dog", "the cat's dog"], vocabulary=VOCABULARY), SETTINGS, "ccup"),
        (select("cat", vocabulary=VOCABULARY), CLIPEraseSettings(steps=7, trainable="lora", seed=3), "cliperase"),
    ],
)
def test_the_command_asks_the_command_line_for_the_same(selection, settings, method):
    words = shlex.split(command_of(record(selection, settings, method)))
    assert words[:4] == ["python", "-m", "unlearn", "erase"]
    asked = build_parser().parse_args(words[3:])
    assert tuple(asked.forget) == selection.forget_names
    assert select(asked.forget, asked.retain, vocabulary=VOCABULARY).retain == selection.retain
    if method == "ccup":
        given = {name: value for name in SETTINGS_OF_CCUP if (value := getattr(asked, name)) is not None}
        assert CCUPSettings(**given) == settings
    else:
        given = {name: getattr(asked, name) for name in asdict(settings)}
        assert asked.method == method
        assert CLIPEraseSettings(**given) == settings


def made(folder, *asked: str) -> Record:
    assert main(["erase", *asked, "--formats", "--out", str(folder)]) == 0
    return load_recorded(folder, load_clip("pocket"))[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        (
            "--forget",
            "mug",
            "fox",
            "--vocabulary",
            "fox,mug,spoon,wolf",
            "--retain",
            "wolf",
            "--form",
            "consistent",
            "--side",
            "both",
            "--mu",
            "2",
        ),
        ("--forget", "cat", "--vocabulary", "cat,dog"),
        ("--forget", "cat", "--retain", "dog", "pizza"),
        ("--forget", "cat", "--images", "{folder}", "--vocabulary", "cifar100", "--method", "leace"),
        ("--forget", "car", "--vocabulary", "cifar100", "--strength", "0.6", "--on", "{beneath}"),
    ],
)
def test_the_printed_command_makes_the_same_erasure(asked, tmp_path, gallery, pocket):
    folder = tmp_path / "it's a folder"
    for image in (p for p in gallery if p.concept in ("cat", "pizza", "car")):
        (folder / image.concept).mkdir(parents=True, exist_ok=True)
        for angle in range(6):
            turned = image.load().rotate(angle, fillcolor="white")
            turned.save(folder / image.concept / f"{hash(image)}-{angle}.png")
    if "--on" in asked:
        tuning = ("--method", "cliperase", "--steps", "3", "--trainable", "last_blocks")
        made(tmp_path / "beneath", "--forget", "cat", "--images", str(folder), *tuning)
    places = {"folder": folder, "beneath": tmp_path / "beneath"}
    first = made(tmp_path / "first", *(word.format(**places) for word in asked))
    out = tmp_path / "report.html"
    assert main(["report", "--erasure", str(tmp_path / "first"), "--images", str(folder), "--out", str(out)]) == 0
    printed = re.search(r"<h2>Do it again</h2><pre>(.*?)</pre>", out.read_text(), re.DOTALL)
    assert printed
    python = {"PYTHONPATH": str(ASSETS.parent), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-c", unescape(printed[1])],
        cwd=tmp_path,
        env=os.environ | python,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    again, record = load_recorded(tmp_path / "erased", pocket)
    answer = ("method", "model", "parameters", "selection", "seed", "vocabulary", "images")
    assert all(getattr(record, name) == getattr(first, name) for name in answer)
    assert record.selection.surroundings == first.selection.surroundings
    for name, tensor in load_recorded(tmp_path / "first", pocket)[0].tensors.items():
        torch.testing.assert_close(again.tensors[name], tensor, atol=1e-5, rtol=0)


def test_images_that_only_their_owner_has_are_told():
    selection = select("cat", vocabulary=VOCABULARY)
    answer = replace(record(selection, CLIPEraseSettings(), "cliperase"), images="")
    assert "  # it learned from pictures that this command does not have" in command_of(answer)
