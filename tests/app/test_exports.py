"""A visitor's files: what is in them, whose they are, and what comes back from one."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
import torch
from helpers.fakes import fake_services, few
from helpers.waiting import ended

from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import FineTuned
from unlearn.app.exports import FILE_KINDS, edits_of, make_export
from unlearn.app.imports import open_edit
from unlearn.app.requests import request_of
from unlearn.app.runs.fine_tuning import FINE_TUNING, FineTuneStatus
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.models import Models
from unlearn.concepts.selection import Vocabulary, select
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers import baselines
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import BaselineSettings, CLIPEraseSettings
from unlearn.errors import ConceptError, ErasureFileError, JobError, ModelError, ParameterError
from unlearn.export.edit_file import load_edit, record_of, save_edit
from unlearn.export.saved import load_recorded


@pytest.fixture
def real(pocket, vocabulary, tmp_path, monkeypatch) -> Services:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    return Services(Models(pocket), few(bundled_gallery().test), vocabulary)


@pytest.fixture
def visitor(real: Services) -> Visitor:
    visitor = Visitor()
    visitor.change(erasure=real.erase(visitor.session, ErasureRequest(["cat"], strength=0.7)))
    return visitor


def test_an_edit_made_here_opens_here(real: Services, visitor: Visitor):
    made = make_export(real, visitor, "edit")
    assert made.path.name == "edit.safetensors"
    assert "cat erased by CCUP" in made.title
    assert '"edit.safetensors"' in made.code
    other = Visitor()
    record = open_edit(real, other, str(made.path))
    assert record.metrics["after"]["forget"]["top1"] == 0.0 < record.metrics["before"]["forget"]["top1"]
    assert request_of(real, other.session) == ErasureRequest(["cat"], strength=0.7, own_retain=[])
    assert torch.equal(other.session.erasure.projection.matrix, visitor.session.erasure.projection.matrix)


def opened(services: Services, visitor: Visitor) -> FineTuneStatus:
    """The run that opened a file, once it has ended and its result is active."""
    ended(services.jobs, visitor.job_keys["cliperase"])
    return FINE_TUNING.find(services, visitor)


def test_a_fine_tuned_edit_opens_too(real: Services, visitor: Visitor, pocket, vocabulary):
    name = "text_projection"
    delta = {name: pocket.model.state_dict()[name] + 0.01}
    erasure = Erasure("cliperase", select("cat", vocabulary=vocabulary), CLIPEraseSettings(seed=5), delta)
    visitor.change(fine_tuned=FineTuned(pocket, erasure))
    assert list(edits_of(real, visitor.session)) == ["CLIPErase + CCUP", "CCUP", "CLIPErase"]
    made = make_export(real, visitor, "edit", "CLIPErase")
    small = replace(real, gallery=type(real.gallery)("few", real.gallery.images[:4]))
    other = Visitor()
    before = other.session
    assert open_edit(small, other, str(made.path)).seed == 5
    assert other.session is before, "pictures are encoded outside of the request"
    opened(small, other)
    texts = ["a cat", "a dog"]
    assert torch.equal(other.session.fine_tuned.encoder.encode_text(texts), erasure.apply(pocket).encode_text(texts))


@pytest.fixture
def stacked_on(real: Services, visitor: Visitor, pocket, vocabulary) -> Visitor:
    """``visitor`` with CLIPErase of another concept, and a CCUP that retains a list, both active."""
    name = "visual.head.proj.weight"
    noise = torch.randn(pocket.model.state_dict()[name].shape, generator=torch.Generator().manual_seed(0))
    delta = {name: pocket.model.state_dict()[name] + 0.01 * noise}
    erasure = Erasure("cliperase", select("pizza", vocabulary=vocabulary), CLIPEraseSettings(seed=5), delta)
    asked = ErasureRequest(
        ["cat", "my mug"],
        strength=0.7,
        form="consistent",
        side="both",
        retain="list",
        own_retain=["dog", "tiger"],
        lam=500.0,
        mu=50.0,
        synonyms=False,
    )
    visitor.change(fine_tuned=FineTuned(pocket, erasure, "somewhere"), erasure=real.erase(visitor.session, asked))
    return visitor


def test_two_edits_in_force_are_one_file_that_opens_as_the_two(real: Services, stacked_on: Visitor):
    made = make_export(real, stacked_on, "edit")
    assert "cat, my mug, pizza erased by CLIPErase + CCUP" in made.title
    compile(made.code, "the code shown", "exec")
    other = Visitor()
    record = open_edit(real, other, str(made.path))
    opened(real, other)
    assert [part.selection for part in record.parts] == [
        stacked_on.session.fine_tuned.erasure.selection,
        replace(stacked_on.session.erasure.selection, notices=()),
    ]
    assert request_of(real, other.session) == request_of(real, stacked_on.session)
    assert other.session.erased == stacked_on.session.erased == ("cat", "my mug", "pizza")
    assert other.session.fine_tuned.images == "somewhere"
    texts, images = ["a cat", "a pizza"], [image.load() for image in real.gallery.images[:3]]
    before, after = (real.variants(session) for session in (stacked_on.session, other.session))
    assert list(after) == list(before) == ["Original", "CCUP", "CLIPErase", "CLIPErase + CCUP"]
    for variant in before:
        torch.testing.assert_close(after[variant].encode_text(texts), before[variant].encode_text(texts))
        torch.testing.assert_close(after[variant].encode_image(images), before[variant].encode_image(images))
    again = make_export(real, other, "edit").path
    assert load_recorded(again, real.models.own)[0].selection == load_edit(again, real.models.own)[1].selection


def test_a_stacked_edit_of_other_words_is_not_opened_as_something_else(real: Services, stacked_on: Visitor):
    made = make_export(real, stacked_on, "edit")
    other = Visitor()
    other.change(vocabulary=Vocabulary.of(("cat", "dog"), ("a sketch of a {}",)))
    before = other.session
    open_edit(real, other, str(made.path))
    status = opened(real, other)
    assert status.state == "failed"
    assert "choose its vocabulary first" in status.message
    assert other.session is before


def test_a_file_is_not_opened_over_a_run_that_is_not_done(real: Services, stacked_on: Visitor):
    made, other, go_on = make_export(real, stacked_on, "edit", "CLIPErase"), Visitor(), Event()

    def busy():
        while not go_on.is_set():
            yield

    real.jobs.start(other.job_keys["cliperase"], busy)
    with pytest.raises(JobError, match="last run is still"):
        open_edit(real, other, str(made.path))
    go_on.set()
    assert ended(real.jobs, other.job_keys["cliperase"]).state == "done"


def test_weights_that_a_image_overflows_with_are_not_opened(
    real: Services, stacked_on: Visitor, monkeypatch: pytest.MonkeyPatch
):
    made, other = make_export(real, stacked_on, "edit", "CLIPErase"), Visitor()
    encode, before = OpenClipEncoder.encode_image, other.session

    def overflowing(self: OpenClipEncoder, images: list) -> torch.Tensor:
        return encode(self, images) * (torch.nan if len(images) > 1 else 1)  # the probe alone is well

    monkeypatch.setattr(OpenClipEncoder, "encode_image", overflowing)
    open_edit(real, other, str(made.path))
    assert "no embedding any more" in opened(real, other).message
    assert other.session is before


def test_a_file_of_ccup_opens_whatever_became_of_the_last_run(real: Services, visitor: Visitor):
    made, other = make_export(real, visitor, "edit"), Visitor()

    def fail():
        yield
        raise ModelError("it failed")

    real.jobs.start(other.job_keys["cliperase"], fail)
    ended(real.jobs, other.job_keys["cliperase"])
    open_edit(real, other, str(made.path))
    assert other.session.erasure is not None
    assert FINE_TUNING.find(real, other) is None


def test_a_baseline_is_not_opened_and_the_visitor_is_told_what_to_do(real: Services, visitor: Visitor, tmp_path: Path):
    session, pocket = visitor.session, real.models.own
    baseline = baselines.erase(pocket, session.erasure.selection, BaselineSettings("random"))
    save_edit(tmp_path / "edit.safetensors", baseline, record_of(pocket, baseline, metrics={}))
    with pytest.raises(ErasureFileError, match="edit of a baseline.*python -m unlearn report --erasure FILE"):
        open_edit(real, visitor, str(tmp_path / "edit.safetensors"))
    assert visitor.session is session


def test_the_report_of_two_edits_makes_one_after_the_other(real: Services, stacked_on: Visitor):
    page = make_export(real, stacked_on, "report").path.read_text()
    assert "Erased from pocket: cat, my mug, pizza" in page
    first, second = page[page.index("<h2>Do it again") :].splitlines()[:2]
    assert "--forget pizza" in first
    assert "--images somewhere --vocabulary bundled" in first
    assert first.endswith("--out tuned")
    assert "--retain dog tiger" in second
    assert "--on tuned --out erased" in second


def test_whose_edit_a_file_holds_is_what_was_asked_or_is_said(real: Services, stacked_on: Visitor):
    report = make_export(real, stacked_on, "report", "CLIPErase")
    assert report.title == "Report: cat, my mug, pizza erased by CLIPErase + CCUP"
    assert make_export(real, stacked_on, "record", "CLIPErase").title == "Record: pizza erased by CLIPErase"
    with pytest.raises(ModelError, match="not the denoiser"):
        make_export(real, stacked_on, "cross_attention", "CLIPErase")
    attention = make_export(real, stacked_on, "cross_attention")
    assert attention.title == "For diffusers: cat, my mug erased by CCUP"
    assert 'PROMPT = "a cat"' in attention.code


def test_the_whole_model_is_a_zip_of_the_folder_that_erase_writes(real: Services, visitor: Visitor):
    made = make_export(real, visitor, "open_clip")
    with zipfile.ZipFile(made.path) as archive:
        names = set(archive.namelist())
    wanted = {
        "open_clip_model.safetensors",
        "open_clip_config.json",
        "edit.safetensors",
        "erasure.json",
        "tokenizer.json",
    }
    assert {f"erased/{name}" for name in wanted} <= names
    assert list(made.path.parent.iterdir()) == [made.path]


def test_the_record_and_the_report_are_of_what_is_in_force(real: Services, visitor: Visitor):
    record = json.loads(make_export(real, visitor, "record").path.read_text())
    assert record["parameters"]["strength"] == 0.7
    page = make_export(real, visitor, "report").path.read_text()
    assert "Erased from pocket: cat" in page
    assert "--forget cat --strength 0.7" in page
    assert "?forget=cat&amp;strength=0.7" in page


def test_a_report_of_too_much_for_a_link_is_made_without_and_says_so(real: Services, visitor: Visitor):
    from unlearn.ui.tabs.export import ExportTab

    own = [f"a rather long name of a retained thing, number {number:c}" for number in range(0x4E00, 0x4E00 + 400)]
    visitor.change(erasure=real.erase(visitor.session, ErasureRequest(["cat"], retain="list", own_retain=own)))
    page = make_export(real, visitor, "report").path.read_text()
    assert "too much for a link" in page
    assert "In the app: the address" not in page
    tab = SimpleNamespace(services=lambda: real, link="link", copy="copy", variant="variant")
    shown = ExportTab.render(tab, visitor.session, {})  # type: ignore[arg-type]
    assert "too much for a link" in shown["link"]
    assert not shown["copy"]["interactive"]


def test_what_cannot_be_made_is_said(real: Services, visitor: Visitor):
    with pytest.raises(ModelError, match="EfficientNet"):
        make_export(real, visitor, "transformers")
    with pytest.raises(ParameterError, match="file is 'gold'"):
        make_export(real, visitor, "gold")
    with pytest.raises(ParameterError, match="edit is 'CLIPErase'"):
        make_export(real, visitor, "edit", "CLIPErase")
    with pytest.raises(ConceptError, match="Nothing is erased"):
        make_export(real, Visitor(), "edit")
    fake = fake_services()
    someone = Visitor()
    someone.change(erasure=fake.erase(someone.session, ErasureRequest(["cat"])))
    with pytest.raises(ModelError, match="cannot be written"):
        make_export(fake, someone, "edit")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("edit.pt", b"", "not a .safetensors file"),
        ("edit.safetensors", b"\x80\x04N.", "not a safetensors file"),
        (None, b"", "No file was given"),
    ],
)
def test_a_file_that_is_no_erasure_leaves_what_is_in_force(real, visitor, tmp_path, name, content, sentence):
    before = visitor.session
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ErasureFileError, match=sentence):
        open_edit(real, visitor, str(tmp_path / name) if name else None)
    assert visitor.session is before


def test_a_visitor_has_one_file_and_takes_it_along(real: Services, visitor: Visitor, tmp_path: Path):
    first = make_export(real, visitor, "record").path
    second = make_export(real, visitor, "edit").path
    assert not first.exists()
    assert second.exists()
    real.end_session(visitor)
    assert not second.exists()
    assert not any((tmp_path / "gradio").iterdir())


def test_every_kind_is_on_the_screen():
    from unlearn.ui.tabs.export import CHOICES

    assert list(CHOICES) == list(FILE_KINDS)
