"""What every command prints and where: a result on stdout, all else on stderr, and how it ends."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from unlearn.cli import COMMANDS, build_parser, main

EXAMPLES = [example for module in COMMANDS.values() for example in module.EXAMPLES]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_in_the_help_is_one_that_is_taken(example: str):
    assert build_parser().parse_args(shlex.split(example))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_a_version(command: str, capsys):
    for flag, said in (("--help", f"unlearn {command}"), ("--version", "unlearn-clip 0.")):
        with pytest.raises(SystemExit) as ended:
            main([command, flag])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_json_is_one_object_and_quiet_is_quiet(tmp_path: Path, capsys):
    asked = ["erase", "--forget", "dragonfruit", "--no-measure", "--formats", "-o", str(tmp_path / "erased")]
    assert main([*asked, "--json"]) == 0
    out, err = capsys.readouterr()
    written = json.loads(out)
    assert written["record"]["metrics"] == {}
    assert "dragonfruit" in err
    assert "%|" not in err, "no bar without a terminal"
    assert main([*asked, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out == f"Wrote {tmp_path / 'erased'}; its README.md says how to load each file.\n"
    assert err == ""


def test_by_default_a_result_has_three_lines(tmp_path: Path, capsys):
    out = str(tmp_path / "erased")
    for command in (["erase", "--forget", "cat", "-o", out], ["evaluate", "--erasure", out]):
        assert main(command) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3


def test_ctrl_c_ends_in_a_sentence_that_says_how_to_go_on(monkeypatch, tmp_path: Path, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unlearn.load_clip", interrupted, raising=False)
    run = str(tmp_path / "run.safetensors")
    for more, said in (([], "with --checkpoint FILE"), (["--checkpoint", run], f"goes on from “{run}”")):
        assert main(["erase", "--forget", "cat", "-o", str(tmp_path / "out"), *more]) == 130
        assert said in capsys.readouterr().err
    assert main(["index", str(tmp_path), "-o", str(tmp_path / "index")]) == 130
    assert "The same command goes on" in capsys.readouterr().err


def test_a_closed_pipe_is_silent():
    command = f"{shlex.quote(sys.executable)} -m unlearn evaluate --json | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (ended.returncode, ended.stderr) == (141, "")
