"""A pipeline's index names the classes it is made of: none but those that are known are imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unlearn.clip.repositories import Folder
from unlearn.diffusion.pipelines import INDEX, POCKET_DIFFUSION, require_known_parts
from unlearn.errors import ModelError

SHIPPED = json.loads((POCKET_DIFFUSION / INDEX).read_text(encoding="utf-8"))
HOSTILE: dict[str, dict[str, Any]] = {
    "a pipeline of its own": {"_class_name": "Evil"},
    "a pipeline with a file": {"_class_name": ["pipeline", "Evil"]},
    "no pipeline": {"_class_name": None},
    "a module of the standard library": {"unet": ["os", "system"]},
    "a module in the repository": {"unet": ["my_unet", "Evil"]},
    "another class of a known library": {"unet": ["transformers", "AutoModel"]},
    "an unknown part": {"extra": ["subprocess", "Popen"]},
    "a list of another length": {"vae": ["diffusers", "AutoencoderKL", "x"]},
    "an object": {"scheduler": {"library": "os"}},
    "a path": {"tokenizer": ["../../evil", "CLIPTokenizer"]},
}


def index_in(folder: Path, content: str) -> Folder:
    (folder / INDEX).write_text(content, encoding="utf-8")
    return Folder(folder)


@pytest.mark.parametrize("trick", HOSTILE)
def test_an_index_that_names_anything_else_is_refused(trick: str, tmp_path: Path):
    with pytest.raises(ModelError, match="allowed are"):
        require_known_parts(index_in(tmp_path, json.dumps(SHIPPED | HOSTILE[trick])))


@pytest.mark.parametrize("content", ["", "[]", "[" * 10**5, "\ud800".encode("utf-8", "replace").decode()])
def test_what_is_no_index_is_refused(content: str, tmp_path: Path):
    with pytest.raises(ModelError, match="is not JSON|asks for"):
        require_known_parts(index_in(tmp_path, content))


def test_stable_diffusions_own_indexes_pass(tmp_path: Path):
    require_known_parts(Folder(POCKET_DIFFUSION))
    named = {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "force_zeros_for_empty_prompt": True,
    }
    changed = SHIPPED | named | {"_class_name": "StableDiffusionXLPipeline"}
    require_known_parts(index_in(tmp_path, json.dumps(changed)))
