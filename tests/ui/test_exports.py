"""A visitor's files: what is in them, whose they are, how much room they take, and what comes back from one."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import fake_services

from unlearn.concepts import select
from unlearn.erasers import cliperase
from unlearn.errors import ConceptError, ErasureFileError, JobError, ModelError, ParameterError
from unlearn.gallery import bundled_gallery
from unlearn.models import Models
from unlearn.ui.downloads import MARGIN, Downloads
from unlearn.ui.exports import KINDS, edits_of, make_export, open_edit
from unlearn.ui.links import request_in_force
from unlearn.ui.runs import FineTuned
from unlearn.ui.services import Services
from unlearn.ui.session import ErasureRequest, Visitor


@pytest.fixture
def real(pocket, vocabulary, tmp_path, monkeypatch) -> Services:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    return Services(Models(pocket), bundled_gallery().test, vocabulary)


@pytest.fixture
def visitor(real: Services) -> Visitor:
    visitor = Visitor()
    visitor.change(erasure=real.erase(visitor.session, ErasureRequest(["cat"], 0.7)))
    return visitor


def test_an_edit_made_here_opens_here(real: Services, visitor: Visitor):
    made = make_export(real, visitor, "edit")
    assert made.path.name == "edit.safetensors"
    assert "cat erased by CCUP" in made.title
    assert '"edit.safetensors"' in made.code
    other = Visitor()
    record = open_edit(real, other, str(made.path))
    assert record.metrics["after"]["forget"]["top1"] == 0.0 < record.metrics["before"]["forget"]["top1"]
    assert request_in_force(real, other.session) == ErasureRequest(["cat"], 0.7, own_retain=[])
    assert torch.equal(other.session.erasure.projection.matrix, visitor.session.erasure.projection.matrix)


def test_a_fine_tuned_edit_opens_too(real: Services, visitor: Visitor, pocket, vocabulary):
    name = "text_projection"
    delta = {name: pocket.model.state_dict()[name] + 0.01}
    erasure = cliperase.Erasure(select("cat", vocabulary=vocabulary), cliperase.Settings(seed=5), delta)
    visitor.change(fine_tuned=FineTuned(erasure, erasure.apply(pocket)))
    assert list(edits_of(visitor.session)) == ["CCUP", "CLIPErase"]
    made = make_export(real, visitor, "edit", "CLIPErase")
    small = replace(real, gallery=type(real.gallery)("few", real.gallery.pictures[:4]))
    other = Visitor()
    assert open_edit(small, other, str(made.path)).seed == 5
    texts = ["a cat", "a dog"]
    assert torch.equal(other.session.fine_tuned.encoder.encode_text(texts), erasure.apply(pocket).encode_text(texts))


def test_the_whole_model_is_a_zip_of_the_folder_that_erase_writes(real: Services, visitor: Visitor):
    made = make_export(real, visitor, "open_clip")
    with zipfile.ZipFile(made.path) as archive:
        names = set(archive.namelist())
    wanted = {"model.safetensors", "open_clip_config.json", "edit.safetensors", "erasure.json", "tokenizer.json"}
    assert {f"erased/{name}" for name in wanted} <= names
    assert list(made.path.parent.iterdir()) == [made.path]


def test_the_record_and_the_report_are_of_what_is_in_force(real: Services, visitor: Visitor):
    record = json.loads(make_export(real, visitor, "record").path.read_text())
    assert record["parameters"]["strength"] == 0.7
    page = make_export(real, visitor, "report").path.read_text()
    assert "Erased from pocket: cat" in page
    assert "--forget cat --strength 0.7" in page
    assert "?forget=cat&amp;strength=0.7" in page


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
    real.leave(visitor)
    assert not second.exists()
    assert not any((tmp_path / "gradio").iterdir())


def test_every_kind_is_on_the_screen():
    from unlearn.ui.export_tab import CHOICES

    assert list(CHOICES) == list(KINDS)


# Room on disk


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def written(folder: Path, size: int = 10) -> Path:
    (folder / "file").write_bytes(b"x" * size)
    return folder / "file"


def test_all_files_together_stay_under_the_limit(root: Path):
    downloads = Downloads(2 * MARGIN)
    downloads.make("a", 0, lambda folder: written(folder, MARGIN))
    with pytest.raises(JobError, match="no room"):
        downloads.make("b", MARGIN, written)
    downloads.forget("a")
    assert downloads.make("b", MARGIN, written).exists()
    assert len(list(root.iterdir())) == 1


def test_a_file_being_made_holds_its_room(root: Path):
    downloads = Downloads(2 * MARGIN)

    def write(folder: Path) -> Path:
        with pytest.raises(JobError, match="no room"):
            downloads.make("b", MARGIN, written)
        return written(folder)

    downloads.make("a", 0, write)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ModelError("it cannot be"), KeyError("x")])
def test_what_fails_leaves_nothing_behind(root: Path, error: Exception):
    def fail(folder: Path) -> Path:
        written(folder)
        raise error

    with pytest.raises(JobError if isinstance(error, OSError) else type(error)):
        Downloads().make("a", 0, fail)
    assert not any(root.iterdir())


def test_with_the_downloads_go_their_files(root: Path):
    downloads = Downloads()
    downloads.make("a", 0, written)
    del downloads
    assert not any(root.iterdir())
