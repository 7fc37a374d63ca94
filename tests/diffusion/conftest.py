"""Pipelines to draw with: the embedded one, and one of every architecture of Stable Diffusion."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.diffusion_pipelines import random_pipeline

from unlearn.diffusion.pipelines import PIPELINES, LoadedPipeline, load_pipeline


@pytest.fixture(scope="session")
def loaded() -> LoadedPipeline:
    """The embedded pipeline."""
    return load_pipeline("pocket", device="cpu")


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tokenizer of all pipelines lies, so that it is made once."""
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture(scope="module", params=[name for name in PIPELINES if name != "pocket"])
def stable_diffusion(request: pytest.FixtureRequest, tokenizer_folder: Path):
    """A pipeline of every architecture with random weights, and its CLIP."""
    return random_pipeline(request.param, tokenizer_folder)
