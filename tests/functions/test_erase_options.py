"""What editors, type checkers and ``help`` know of the methods' options."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

import unlearn
from unlearn.erasers import settings
from unlearn.erasers.methods import METHODS
from unlearn.functions.arguments import ARGUMENTS, AnyMethod
from unlearn.options import options_of

ROOT = Path(unlearn.__file__).parents[1]
COMMON = set(AnyMethod.__annotations__)
#: What takes a type checker a minute to read and has no part in these signatures.
UNREAD = ("torch", "torchvision", "open_clip", "transformers", "diffusers", "numpy", "scipy", "pydantic")


def hints_of(method: str) -> dict[str, object]:
    return get_type_hints(ARGUMENTS[method], localns={"RecordedErasure": unlearn.RecordedErasure})


@pytest.mark.parametrize("method", METHODS)
def test_the_typed_options_are_those_that_the_method_takes(method):
    hints = hints_of(method)
    assert set(hints) - COMMON == set(METHODS[method].takes())
    for kind in METHODS[method].settings:
        defaults = {field.name: field.default for field in fields(kind)}
        for name in set(hints) & set(METHODS[method].takes()) & set(defaults):
            expected = hints[name]
            if get_origin(expected) is Literal:
                assert defaults[name] in get_args(expected)
            else:
                assert isinstance(defaults[name], expected)


def test_choices_are_the_settings():
    hints = hints_of("stacked")
    declared = {**options_of(settings.CLIPEraseSettings), **options_of(settings.CCUPSettings)}
    for name in ("form", "side", "trainable", "forgetting", "precision"):
        assert set(get_args(hints[name])) == set(declared[name].choices)


def test_every_method_is_typed():
    assert set(ARGUMENTS) == set(METHODS)


def test_help_names_every_method_and_option():
    answer = pydoc.plain(pydoc.render_doc(unlearn.erase))
    for method in METHODS.values():
        for option in method.takes():
            assert f"    {option}: " in answer
    for name in (*METHODS, *COMMON):
        assert name in answer


def checked(script: str, folder: Path) -> str:
    """What mypy says of ``script``."""
    config, file = folder / "mypy.ini", folder / "script.py"
    skipped = "\n".join(f"[mypy-{name}.*]\nfollow_imports = skip" for name in UNREAD)
    config.write_text(
        f"[mypy]\nstrict = True\nmypy_path = {ROOT}\n{skipped}\n[mypy-unlearn.*]\nfollow_imports = silent\n"
    )
    file.write_text(script)
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(folder / "cache")]
    return subprocess.run([*command, str(file)], capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_a_type_checker_accepts_right_options_and_refuses_wrong_ones(tmp_path):
    assert (ROOT / "unlearn" / "py.typed").is_file()
    right = """
from unlearn import RecordedErasure, erase, load, load_clip, save

clip = load_clip()
erasure: RecordedErasure = erase(clip, ["guitar"], retain="piano, violin", strength=0.5, side="text")
tuned = erase(clip, "guitar", method="cliperase", steps=10, images="cifar100")
erase(clip, "guitar", on=tuned, on_notice=print)
save(erasure, "out", clip, formats=["open_clip"])
load("out", clip).at(0.5).apply(clip).encode_text(["a guitar"])
"""
    wrong = [
        'erase(clip, "guitar", steps=5)',
        'erase(clip, "guitar", stength=0.5)',
        'erase(clip, "guitar", strength="high")',
        'erase(clip, "guitar", method="magic")',
        'erase(clip, "guitar", method="leace", lam=2.0)',
        'erase(clip, "guitar", form="linear")',
        'save(erasure, "out", clip, formats=["onnx"])',
    ]
    start = right.count("\n") + 1
    said = checked(right + "\n".join(wrong), tmp_path)
    lines = dict.fromkeys(int(line.split(":")[1]) for line in said.splitlines() if ": error: " in line)
    assert list(lines) == [start + number for number in range(len(wrong))], said
