"""ZeroGPU, played by a stand-in for ``spaces`` that forks and pickles as the real one does."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import types

import pytest
import torch

from unlearn.zero_gpu import on_zero_gpu


def fork(duration):
    """A stand-in for ``spaces.GPU``: the generator runs in a forked process, its items come back pickled."""
    assert duration > 0

    def decorate(function):
        def call():
            ours, theirs = multiprocessing.get_context("fork").Pipe()
            child = os.fork()
            if child == 0:
                for item in function():
                    theirs.send_bytes(pickle.dumps(item))
                theirs.send_bytes(pickle.dumps("the end"))
                os._exit(0)
            while (item := pickle.loads(ours.recv_bytes())) != "the end":  # noqa: S301
                yield item
            os.waitpid(child, 0)

        return call

    return decorate


def training():
    yield "step"
    return {"weights": torch.ones(2), "process": os.getpid()}


def drain(run):
    items = []
    while True:
        try:
            items.append(next(run))
        except StopIteration as stop:
            return items, stop.value


def test_without_spaces_it_is_the_same_generator(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert on_zero_gpu(training) is training


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_result_comes_back_from_the_forked_process(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=fork))
    items, result = drain(on_zero_gpu(training)())
    assert items == ["step"]
    assert result["process"] != os.getpid()
    assert torch.equal(result["weights"], torch.ones(2))
