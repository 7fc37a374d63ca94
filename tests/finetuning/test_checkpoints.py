"""A checkpoint resumes the run that wrote it; any other file is refused and nothing of it is used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearn.errors import ErasureFileError
from unlearn.finetuning.checkpoints import Checkpoint


def training(seed: int = 0) -> tuple[dict[str, torch.nn.Parameter], torch.optim.Adam]:
    torch.manual_seed(seed)
    parameters = {"a": torch.nn.Parameter(torch.randn(2, 3)), "b": torch.nn.Parameter(torch.randn(4))}
    optimizer = torch.optim.Adam(parameters.values())
    sum(p.square().sum() for p in parameters.values()).backward()
    optimizer.step()
    return parameters, optimizer


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint.of_run(tmp_path / "run.safetensors", steps=3)
    checkpoint.write(2, *training())
    return checkpoint


def test_a_run_is_restored(saved: Checkpoint):
    parameters, optimizer = training(seed=1)
    assert saved.restore(parameters, optimizer) == 2
    expected, made = training()
    assert all(torch.equal(parameters[name], expected[name]) for name in expected)
    assert all(
        torch.equal(optimizer.state[parameters[name]][key], made.state[expected[name]][key])
        for name in expected
        for key in ("exp_avg", "exp_avg_sq")
    )


def changed(checkpoint: Checkpoint, metadata: dict[str, str] | None = None, **tensors: torch.Tensor | None) -> None:
    """Other tensors, or other metadata, in the same file."""
    state = {name.replace("__", "/"): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in {**load_file(checkpoint.path), **state}.items() if tensor is not None}
    save_file(kept, checkpoint.path, {"run": checkpoint.run, "step": "2"} | (metadata or {}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.path.write_bytes(c.path.read_bytes()[:-1]), "cannot be read"),
        (lambda c: c.path.write_bytes(b"\0" * 100), "cannot be read"),
        (lambda c: changed(c, {"run": "0" * 64}), "another|other concepts, settings or weights"),
        (lambda c: changed(c, {"run": ""}), "run: "),
        (lambda c: changed(c, {"step": "-1"}), "step: "),
        (lambda c: changed(c, {"step": "nan"}), "step: "),
        (lambda c: changed(c, {"step": "9" * 400}), "step: "),
        (lambda c: changed(c, {"more": "1"}), "more: "),
        (lambda c: changed(c, weight__a=None), "other weights than those that train"),
        (lambda c: changed(c, weight__a=torch.ones(3)), "other weights than those that train"),
        (lambda c: changed(c, weight__a=torch.ones(1, 3)), "other weights than those that train"),
        (lambda c: changed(c, weight__c=torch.ones(3)), "other weights than those that train"),
        (lambda c: changed(c, weight__a=torch.ones(2, 3).half()), "must be F32"),
        (lambda c: changed(c, weight__a=torch.full((2, 3), torch.nan)), "not finite"),
        (lambda c: changed(c, exp_avg_sq__b=torch.full((4,), -1.0)), "below zero"),
    ],
)
def test_any_other_file_is_refused_and_nothing_is_changed(saved: Checkpoint, spoil, said: str):
    spoil(saved)
    parameters, optimizer = training(seed=1)
    before = {name: parameter.clone() for name, parameter in parameters.items()}
    with pytest.raises(ErasureFileError, match=said):
        saved.restore(parameters, optimizer)
    assert all(torch.equal(parameters[name], before[name]) for name in before)
