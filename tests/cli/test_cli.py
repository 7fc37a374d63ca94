"""The command line on the embedded model, end to end, and what stock open_clip makes of its output."""

from __future__ import annotations

import json
import math
import shutil

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from unlearn.cli import main
from unlearn.clip.sources import POCKET
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ErasureFileError
from unlearn.export.saved import load_recorded


@pytest.fixture(scope="module")
def erased(tmp_path_factory):
    out = tmp_path_factory.mktemp("erased")
    assert main(["erase", "--forget", "cat", "dog", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory, gallery):
    root = tmp_path_factory.mktemp("pictures")
    for name in ("cat", "hot dog", "dog", "pizza", "car"):
        (root / name.replace(" ", "_")).mkdir()
        for i, image in enumerate(p for p in gallery if p.concept == name):
            image.load().save(root / name.replace(" ", "_") / f"{i}.png")
    return root


def test_erase_writes_model_edit_and_record(erased):
    record = json.loads((erased / "erasure.json").read_text())
    assert record["method"] == "ccup"
    assert [c["name"] for c in record["concepts"]["forget"]] == ["cat", "dog"]
    assert {"form", "strength", "lam", "mu", "side"} <= set(record["parameters"])
    files = {path.relative_to(erased).as_posix() for path in erased.rglob("*") if path.is_file()}
    assert set(record["sha256"]) == {"input", *files} - {"erasure.json", "README.md"}
    assert {"open_clip_model.safetensors", "edit.safetensors", "tokenizer.json"} <= files
    metrics = record["metrics"]
    assert metrics["after"]["forget"]["top1"] == 0.0 < metrics["before"]["forget"]["top1"]
    assert metrics["after"]["retain"]["top1"] > metrics["before"]["retain"]["top1"] - 0.02
    assert set(metrics["before"]) == {"top1", "top5", "n", "forget", "retain"}


def test_only_the_projection_changes_and_stock_open_clip_agrees(erased, pocket, gallery):
    base, edited = load_file(POCKET / "open_clip_model.safetensors"), load_file(erased / "open_clip_model.safetensors")
    assert set(base) == set(edited)
    differing = {key for key in base if not torch.equal(base[key].float(), edited[key].float())}
    assert differing == {"visual.head.proj.weight"}
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{POCKET}")
    model.load_state_dict(edited)
    images = [image.load() for image in gallery.images[:4]]
    with torch.inference_mode():
        stock = model.eval().encode_image(torch.stack([preprocess(p) for p in images]), normalize=True)
    live = load_recorded(erased, pocket)[0].apply(pocket)
    torch.testing.assert_close(stock, live.encode_image(images), atol=1e-5, rtol=0)
    torch.testing.assert_close(live.image_features(gallery)[:4], stock, atol=1e-5, rtol=0)


def test_evaluate_prints_fractions_as_json(erased, folder, capsys):
    assert main(["evaluate", "--images", str(folder), "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--images", str(folder), "--erasure", str(erased), "--json"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--images", str(folder), "--erasure", str(erased / "edit.safetensors"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == after
    assert set(before) == {"top1", "top5", "n", "forget", "retain", "per_class", "recall"}
    edit = after.pop("edit")
    assert set(after) == set(before)
    assert edit["top1"]["forget"]["after"]["mean"] == after["forget"]["top1"]
    moved = edit["top1"]["retain"]["difference"]
    assert moved["low"] <= moved["mean"] <= moved["high"]
    assert 0.5 < edit["harmonic_mean"] <= 1
    assert set(before["per_class"]) == {"cat", "hot dog", "dog", "pizza", "car"}
    assert before["forget"] == {"top1": None, "n": 0}
    assert after["forget"]["n"] >= 2
    assert after["forget"]["top1"] < before["top1"]
    assert after["retain"]["top1"] >= 0.5
    classes = after["per_class"]
    assert set(list(classes)[:2]) == {"cat", "dog"}
    assert all(each["called"].get(name, 0) == round(each["n"] * each["after"]) for name, each in classes.items())
    assert sum(each["called"].get(name, 0) for name, each in classes.items()) == round(after["n"] * after["top1"])
    assert 0 <= after["recall"]["text_to_image"]["retain"]["recall@1"] <= 1


def test_forget_of_evaluate_overrides_the_erasures(folder, capsys):
    assert main(["evaluate", "--images", str(folder), "--forget", "hot dog", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["forget"]["n"] == 1
    assert not math.isnan(result["retain"]["top1"])


def test_what_was_not_measured_is_not_printed(erased, gallery, tmp_path, capsys):
    (tmp_path / "cat").mkdir()
    next(image for image in gallery if image.concept == "cat").load().save(tmp_path / "cat" / "0.png")
    assert main(["evaluate", "--images", str(tmp_path), "--erasure", str(erased), "--vocabulary", "bundled"]) == 0
    printed = capsys.readouterr().out
    assert "change: forget " in printed
    assert "nan" not in printed
    assert "harmonic mean" not in printed


def test_the_form_and_the_strength_of_ccup_count(pocket, tmp_path):
    asked = ["erase", "--forget", "cat", "--form", "consistent", "--strength", "0.5", "--no-synonyms", "--formats"]
    assert main([*asked, "--out", str(tmp_path)]) == 0
    settings = load_recorded(tmp_path, pocket)[0].settings
    assert (settings.form, settings.strength, settings.synonyms) == ("consistent", 0.5, False)


def test_without_a_form_asked_for_weights_that_cannot_hold_the_edit_are_not_written(tmp_path, capsys):
    asked = ["erase", "--forget", "cat", "--form", "nullspace", "--side", "text", "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    assert "next to nothing of the text “cat”" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"edit.safetensors", "erasure.json", "README.md"}


@pytest.mark.parametrize("retain", [["--retain", "dog,fox", "pizza"], ["--retain-file", "keep.txt"]])
def test_the_retain_set_is_words_or_a_file(retain, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keep.txt").write_text("dog\nfox\npizza\n")
    out = tmp_path / "out"
    assert main(["erase", "--forget", "cat", *retain, "--out", str(out)]) == 0
    assert json.loads((out / "erasure.json").read_text())["concepts"]["retain"] == ["dog", "fox", "pizza"]
    assert "forget: top-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["erase", "--forget", "", "--out", "x"], "No concept to erase"),
        (["erase", "--forget", "cat", "--strength", "nan", "--out", "x"], "strength is nan; it must be"),
        (["erase", "--forget", "cat", "--strength", "7", "--out", "x"], "strength is 7.0; it must be"),
        (["erase", "--forget", "cat", "--method", "none", "--strength", "0.5", "--out", "x"], "strength has no effect"),
        (
            ["erase", "--forget", "cat", "--form", "nullspace", "--mu", "5", "--out", "x"],
            "with form nullspace",
        ),
        (
            ["erase", "--forget", "cat", "--method", "leace", "--form", "paired", "--out", "x"],
            "form has no effect on",
        ),
        (
            ["erase", "--forget", "cat", "--method", "consistent", "--out", "x"],
            "choose one of none, random",
        ),
        (["erase", "--forget", "cat", "--steps", "5", "--out", "x"], "steps has no effect on “CCUP”"),
        (
            [
                "erase",
                "--forget",
                "cat",
                "--form",
                "consistent",
                "--side",
                "text",
                "--formats",
                "open_clip",
                "--out",
                "x",
            ],
            "a whole model would normalise what is left",
        ),
        (["erase", "--forget", "cat", "--retain", "cat", "--out", "x"], "to be erased and to be retained"),
        (["erase", "--forget", "cat", "--retain-file", "none.txt", "--out", "x"], "is not a file"),
        (["erase", "--forget", "cat", "--model", "no-such-model", "--out", "x"], "There is no model"),
        (["evaluate", "--images", "no-such-folder"], "is not a folder"),
        (["evaluate", "--vocabulary", "no-such-file"], "neither a file nor one of"),
        (["evaluate", "--erasure", "no-such-folder"], "there is nothing at “no-such-folder”"),
        (["evaluate", "--device", "cuda:77"], "which this machine does not have"),
    ],
)
def test_bad_arguments_end_in_a_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "x").exists()


def test_a_changed_checkpoint_is_refused(erased, pocket, tmp_path):
    for name in ("open_clip_model.safetensors", "edit.safetensors", "erasure.json"):
        (tmp_path / name).write_bytes((erased / name).read_bytes())
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"something else")
    with pytest.raises(ErasureFileError, match="changed after"):
        load_recorded(tmp_path, pocket)


def test_a_record_changed_by_hand_is_refused(erased, pocket, tmp_path):
    shutil.copytree(erased, tmp_path, dirs_exist_ok=True)
    answer = json.loads((erased / "erasure.json").read_text())
    answer["concepts"]["forget"][0]["name"] = "harmless"
    (tmp_path / "erasure.json").write_text(json.dumps(answer))
    with pytest.raises(ErasureFileError, match="tells of another erasure than the record inside"):
        load_recorded(tmp_path, pocket)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "erasure.json").write_bytes(b"\xff"),
        lambda folder: (folder / "erasure.json").write_text("[" * 10_000),
        lambda folder: (folder / "erasure.json").unlink(),
        lambda folder: (folder / "edit.safetensors").write_bytes(b""),
    ],
)
def test_a_damaged_folder_ends_every_command_in_a_sentence(spoil, erased, tmp_path, capsys):
    for name in ("open_clip_model.safetensors", "edit.safetensors", "erasure.json"):
        (tmp_path / name).write_bytes((erased / name).read_bytes())
    spoil(tmp_path)
    for command in (
        ["evaluate", "--erasure", str(tmp_path)],
        ["erase", "--forget", "dog", "--on", str(tmp_path), "--out", str(tmp_path / "out")],
        ["report", "--erasure", str(tmp_path), "--out", str(tmp_path / "report.html")],
    ):
        assert main(command) == 2
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        assert "erasure.json" in printed or "edit.safetensors" in printed
    assert not (tmp_path / "out").exists()


def test_stock_open_clip_loads_the_folder_and_its_tokenizer(erased, pocket):
    model = open_clip.create_model(f"local-dir:{erased}").eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{erased}")(["a cat", "crème brûlée & more", ""])
    assert torch.equal(tokens, pocket.tokenizer(["a cat", "crème brûlée & more", ""]))
    with torch.inference_mode():
        torch.testing.assert_close(
            model.encode_text(tokens, normalize=True), pocket.encode_text(["a cat", "crème brûlée & more", ""])
        )


def test_the_edit_alone_is_an_erasure_too(erased, pocket):
    whole, alone = load_recorded(erased, pocket)[0], load_recorded(erased / "edit.safetensors", pocket)[0]
    assert torch.equal(whole.projection.matrix, alone.projection.matrix)
    assert whole.selection == alone.selection


def test_a_form_that_cannot_hold_the_model_is_one_sentence(tmp_path, capsys):
    arguments = ["erase", "--forget", "cat", "--formats", "transformers", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "EfficientNet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


OUT = {
    "erase": ["erase", "--forget", "cat", "--out"],
    "erase's checkpoint": ["erase", "--forget", "cat", "--out", "erased", "--checkpoint"],
    "generate": ["generate", "--prompt", "a cat", "--forget", "cat", "--out"],
    "report": ["report", "--erasure", "file", "--out"],
    "index": ["index", "pictures", "--out"],
    "bench": ["bench", "speed", "--out"],
}


@pytest.mark.parametrize("command", OUT)
def test_where_nothing_can_be_written_that_is_said_before_the_work(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Not load_clip itself: a module imported meanwhile would keep the replacement.
    monkeypatch.setattr("unlearn.clip.loading.find", lambda *_, **__: pytest.fail("the work has begun"))
    monkeypatch.setattr("unlearn.bench.speed.run", lambda **_: pytest.fail("the work has begun"))
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    takes_a_file = command in {"erase's checkpoint", "report", "bench"}
    for place in ("folder" if takes_a_file else "file", "file/below", "/proc/nothing", "a" * 300):
        assert main([*OUT[command], place]) == 2
        error = capsys.readouterr().err
        assert place in error
        assert len(error.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_report_writes_one_page(erased, folder, tmp_path, capsys):
    out = tmp_path / "report.html"
    edit = erased / "edit.safetensors"
    assert main(["report", "--erasure", str(edit), "--images", str(folder), "--out", str(out)]) == 0
    assert "Erased from pocket: cat, dog" in out.read_text()
    assert f"Wrote {out}" in capsys.readouterr().out


def test_an_erasure_of_other_weights_is_refused(erased, pocket, tmp_path):
    record = json.loads((erased / "erasure.json").read_text())
    record["sha256"]["input"] = "0" * 64
    (tmp_path / "erasure.json").write_text(json.dumps(record))
    with pytest.raises(ErasureFileError, match="made for other weights"):
        load_recorded(tmp_path, pocket)


def test_an_edit_of_both_sides_is_baked_into_both(pocket, vocabulary):
    from unlearn.concepts.selection import select

    settings = CCUPSettings("consistent", side="both")
    erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), settings, vocabulary=vocabulary)
    assert set(erasure.changed_weights(pocket)) == {"visual.head.proj.weight", "text_projection"}


def test_a_vocabulary_is_offered_instead_of_the_classes(folder, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("cat, dog, pizza, car, hot dog, spaceship\n")
    assert main(["evaluate", "--images", str(folder), "--vocabulary", str(tmp_path / "words.txt")]) == 0
    assert "6 labels offered" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["erase", "--forget", "cat", "--vocabulary", str(tmp_path / "words.txt"), "--out", str(out)]) == 0
    retained = json.loads((out / "erasure.json").read_text())["concepts"]["retain"]
    assert retained == ["dog", "pizza", "car", "hot dog", "spaceship"]


@pytest.mark.parametrize(("lam", "said"), [("0.01", True), ("1000", False)])
def test_an_edit_that_leaves_more_than_chance_says_so(lam, said, tmp_path, capsys):
    arguments = ["erase", "--forget", "cat", "--vocabulary", "cat,dog", "--lambda", lam, "--formats"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().err
    assert "Besides 1 retained word the edit was fitted among" in printed
    assert ("Not erased as far as chance" in printed) is said


def test_names_that_are_nearly_one_are_told_on_the_command_line(tmp_path, capsys):
    retained = ["--retain", "apple fruit", "pear", "--form", "consistent", "--formats"]
    assert main(["erase", "--forget", "apple", *retained, "--out", str(tmp_path / "out")]) == 0
    assert "“apple fruit” is retained and “apple” erased" in capsys.readouterr().err


@pytest.fixture
def untidy(tmp_path):
    """Two classes as a Mac and a notebook leave them, one picture empty and one thin."""
    for name, colour in (("ice_cream", "pink"), ("dog", "brown")):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("RGB", (40, 30), colour).save(tmp_path / name / f"{number}.png")
    (tmp_path / "ice_cream" / "3.png").write_bytes(b"")
    (tmp_path / "dog" / "._0.png").write_bytes(b"\0\5\x16\7")
    Image.new("RGB", (1, 4000)).save(tmp_path / "dog" / "line.png")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / ".ipynb_checkpoints" / "0-checkpoint.png")
    return tmp_path


def test_an_untidy_folder_is_measured_and_what_is_skipped_is_listed(untidy, capsys):
    assert main(["evaluate", "--images", str(untidy), "--forget", "ice_cream", '"dogg"', "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert set(result["per_class"]) == {"ice cream", "dog"}
    assert (result["n"], result["forget"]["n"]) == (12, 5)
    assert "skipped ice_cream/3.png: “3.png” is empty" in err
    assert "skipped dog/._0.png" in err
    assert "skipped .ipynb_checkpoints" in err
    assert "“dogg” is none of the classes, so no picture counts as it. Did you mean “dog”?" in err
    assert set(result["notices"]) == {line for line in err.splitlines() if line in result["notices"]}


def test_every_command_that_reads_a_folder_skips_what_it_cannot_read(untidy, tmp_path, capsys, erased):
    out = tmp_path / "out"
    erasing = ["erase", "--forget", "ice_cream", "--images", str(untidy), "--out", str(out), "--formats"]
    assert main(erasing) == 0
    assert "skipped ice_cream/3.png" in capsys.readouterr().err
    page = str(tmp_path / "report.html")
    assert main(["report", "--erasure", str(erased), "--images", str(untidy), "--out", page]) == 0
    assert "skipped ice_cream/3.png" in capsys.readouterr().err


def test_a_retain_file_of_another_program_is_read_or_refused_in_a_sentence(tmp_path, capsys):
    (tmp_path / "wide.txt").write_bytes("dog\nfox".encode("utf-16-le"))
    (tmp_path / "quoted.csv").write_text('# kept\n"dog"\n"fox"\n')
    asked = ["erase", "--forget", "cat", "--out", str(tmp_path / "out"), "--formats", "--retain-file"]
    assert main([*asked, str(tmp_path / "wide.txt")]) == 2
    assert "save it as UTF-8" in capsys.readouterr().err
    assert main([*asked, str(tmp_path / "quoted.csv")]) == 0
    assert json.loads((tmp_path / "out" / "erasure.json").read_text())["concepts"]["retain"] == ["dog", "fox"]
