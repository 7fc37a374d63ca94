"""ZeroGPU, played by a stand-in for ``spaces`` that does as the real one (0.51): see its ``zero/wrappers.py``."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import sys
import types

import pytest
import torch
from helpers.waiting import finish

from unlearn import zero_gpu
from unlearn.errors import ConceptError

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Spaces:
    """Forks a worker for what it decorates and uses it again while it lives; arguments and items are pickled."""

    def __init__(self):
        self.decorated = []
        self.forks = 0
        self.worker = None

    def GPU(self, duration):  # noqa: N802  its name there
        assert 0 < duration <= 300

        def decorate(task):
            self.decorated.append(task.__name__)
            return lambda *arguments: self._call(task, arguments)

        return decorate

    def _call(self, task, arguments):
        worker, self.worker = self.worker or self._fork(task), None
        worker.send_bytes(pickle.dumps(arguments))
        while True:
            try:
                kind, item = pickle.loads(worker.recv_bytes())  # noqa: S301
            except EOFError:
                raise RuntimeError("ZeroGPU worker error: GPU task aborted") from None
            if kind == "end":
                self.worker = worker
                return
            if kind == "error":
                raise RuntimeError(f"ZeroGPU worker error: {item}")
            yield item

    def _fork(self, task):
        self.forks += 1
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        if os.fork():
            theirs.close()
            return ours
        ours.close()
        try:
            while True:
                self._serve(task, theirs)
        finally:
            os._exit(0)

    @staticmethod
    def _serve(task, pipe):
        arguments = pickle.loads(pipe.recv_bytes())  # noqa: S301
        try:
            for item in task(*arguments):
                pipe.send_bytes(pickle.dumps(("item", item)))
            pipe.send_bytes(pickle.dumps(("end", None)))
        except Exception as error:
            pipe.send_bytes(pickle.dumps(("error", type(error).__name__)))


@pytest.fixture
def spaces(monkeypatch):
    """A Space with ZeroGPU, from the import on."""
    stand_in = Spaces()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=stand_in.GPU))
        patch.setenv("SPACES_ZERO_GPU", "true")
        importlib.reload(zero_gpu)
        yield stand_in
    importlib.reload(zero_gpu)


class Module:
    """Knows where it is, and cannot be pickled."""

    device = "cpu"
    lock = staticmethod(lambda: None)

    def to(self, device):
        self.device = device
        self.lock = lambda: None


def training(module, weights=1.0):
    def start():
        yield "step"
        return {"weights": torch.full((2,), weights), "process": os.getpid(), "device": module.device}

    return start


def test_everywhere_else_it_is_the_same_generator():
    assert not zero_gpu.ACTIVE
    start = training(Module())
    assert zero_gpu.on_zero_gpu(start) is start


def test_something_is_decorated_before_anything_runs(spaces):
    assert spaces.decorated == ["_remote"]


def test_a_run_has_the_gpu_in_a_forked_process_and_there_alone(spaces):
    module = Module()
    items, result = finish(zero_gpu.on_zero_gpu(training(module), module)())
    assert items == ["step"]
    assert result["process"] != os.getpid()
    assert result["device"] == "cuda"
    assert module.device == "cpu"
    assert torch.equal(result["weights"], torch.ones(2))


def test_a_worker_of_an_earlier_run_makes_way(spaces):
    for weight in (1.0, 2.0, 3.0):
        items, result = finish(zero_gpu.on_zero_gpu(training(Module(), weight))())
        assert items == ["step"]
        assert result["weights"][0] == weight
    assert spaces.forks == 3
    assert spaces.decorated == ["_remote"], "what is decorated is kept for ever, so it is decorated once"
    assert zero_gpu._runs == {}, "and nothing of a run stays behind"


def test_our_sentence_comes_back_and_an_accident_stays_one(spaces):
    def refuse():
        yield "step"
        raise ConceptError("“cat” cannot be used.")

    def crash():
        yield "step"
        raise KeyError("secret")

    with pytest.raises(ConceptError, match="“cat” cannot be used"):
        finish(zero_gpu.on_zero_gpu(refuse)())
    with pytest.raises(RuntimeError, match="ZeroGPU worker error: KeyError"):
        finish(zero_gpu.on_zero_gpu(crash)())


def test_a_run_that_is_stopped_leaves_nothing_behind(spaces):
    run = zero_gpu.on_zero_gpu(training(Module()))()
    assert next(run) == "step"
    run.close()
    assert zero_gpu._runs == {}
