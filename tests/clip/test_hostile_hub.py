"""Repositories that are made to harm, served from a hub on loopback: nothing of them runs, and the visitor is told."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from helpers.stand_in_hub import COMMIT, stand_in_hub
from helpers.tiny_blip import save_tiny_blip
from PIL import Image
from safetensors.torch import save
from torch.nn import functional as F
from transformers import BertTokenizer, RobertaConfig

from unlearn.clip.architectures import TokenizerOptions
from unlearn.clip.repositories import PINNED, Repository, require_size
from unlearn.errors import ModelError

ROOT = Path(__file__).parents[2]
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
CONFIG = {"model_cfg": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}, "preprocess_cfg": {"mean": [0.5] * 3}}
#: Where transformers would look for Python.
AUTO = {
    "auto_map": {
        "AutoTokenizer": ["tok.Evil", "tok.Evil"],
        "AutoConfig": "tok.Evil",
        "AutoModel": "tok.Evil",
        "AutoModelForImageTextRetrieval": "tok.Evil",
    }
}


def config_with(*, vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **more: Any) -> bytes:
    """``CONFIG`` with other values, as JSON."""
    towers = {"vision_cfg": VISION | (vision or {}), "text_cfg": TEXT | (text or {})}
    return json.dumps(CONFIG | {"model_cfg": CONFIG["model_cfg"] | towers | more}).encode()


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def model() -> open_clip.CLIP:
    torch.manual_seed(0)
    return open_clip.CLIP(24, VISION, TEXT).eval()


def own_words(folder: Path) -> dict[str, bytes]:
    """A tokenizer's files with eight words."""
    words = folder / "words.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog"]))
    BertTokenizer(str(words)).save_pretrained(folder / "tokenizer")
    return {path.name: path.read_bytes() for path in (folder / "tokenizer").iterdir()}


def with_weights(config: bytes, weights: bytes) -> dict[str, bytes]:
    return {"open_clip_config.json": config, "open_clip_model.safetensors": weights}


def repositories(place: Path, model: open_clip.CLIP) -> dict[str, dict[str, bytes]]:
    trace = place / "it-ran"
    code = f"import os\nos.mkdir({str(trace)!r})\nclass Evil: pass\n".encode()
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    weights = save(state)
    config = json.dumps(CONFIG).encode()
    damaged = state | {"visual.proj": torch.full_like(state["visual.proj"], float("nan"))}
    few = {"vocab_size": 6, "hf_tokenizer_name": "evil/tokenizer"}
    buffer = io.BytesIO()
    torch.save({"state": Payload(trace)}, buffer)
    evil = {"tok.py": code, "tokenizer_config.json": json.dumps(AUTO).encode()}
    tokenizer = AUTO | {"tokenizer_class": "Evil", "pad_token": "[PAD]", "vocab_file": "/etc/passwd"}
    asking = {  # by its configuration, beside weights as they should be
        "kwargs": config_with(
            text={"hf_tokenizer_name": "evil/kwargs", "tokenizer_kwargs": {"trust_remote_code": True}}
        ),
        "tower": config_with(text={"hf_model_name": "evil/tokenizer"}),
        "tower-path": config_with(text={"hf_model_name": "../../etc"}),
        "tokenizer-path": config_with(text={"hf_tokenizer_name": str(place / "tokenizer")}),
        "tokenizer-dots": config_with(text={"hf_tokenizer_name": ".."}),
        "no-tokenizer": config_with(text={"hf_tokenizer_name": "evil/no-tokenizer"}),
        "wide": config_with(vision={"width": 10**9}),
        "deep": config_with(text={"layers": 10**6}),
        "words": config_with(text={"vocab_size": 10**11}),
        "pixels": config_with(vision={"image_size": 10**6}),
        "patches": config_with(vision={"image_size": 1024, "patch_size": 4}),
        "100-gb": config_with(vision={"width": 8192, "layers": 64, "head_width": 64}),
        "10-gb": config_with(vision={"width": 4096, "layers": 12, "head_width": 64}),
        "infinite": config_with(init_logit_scale=float("inf")),
        "no-heads": config_with(vision={"head_width": 512}),
        "timm-hub": config_with(vision={"timm_model_name": "hf-hub:evil/tokenizer"}),
        "timm-folder": config_with(vision={"timm_model_name": f"local-dir:{place}"}),
        "unknown-key": config_with(cast_dtype="os.system"),
        "nested": b"[" * 10**5,
        "list": b"[]",
        "huge-config": b" " * 2**21 + config,
        "huge-weights": config,
    }
    made = {f"evil/{name}": evil | with_weights(asked, weights) for name, asked in asking.items()}
    broken = config_with(text={"hf_tokenizer_name": "evil/broken-tokenizer"})
    return (
        made
        | {
            "good/plain": with_weights(config, weights),
            "good/named": evil | with_weights(config_with(text={"hf_tokenizer_name": "evil/tokenizer"}), weights),
            "evil/tokenizer": own_words(place)
            | {
                "tok.py": code,
                "tokenizer_config.json": json.dumps(tokenizer | {"trust_remote_code": True}).encode(),
                "config.json": json.dumps(AUTO | {"model_type": "evil"}).encode(),
            },
            "evil/broken-tokenizer": with_weights(broken, weights) | {"tokenizer.json": b'{"model": 7}'},
            "evil/too-few-words": with_weights(
                config_with(text=few), save(open_clip.CLIP(24, VISION, TEXT | {"vocab_size": 6}).state_dict())
            ),
            "evil/pickle": {"open_clip_config.json": config, "open_clip_pytorch_model.bin": buffer.getvalue()},
            "evil/pickle-named-safe": with_weights(config, pickle.dumps(Payload(trace))),
            "evil/header": with_weights(config, (2**62).to_bytes(8, "little") + b"{}"),
            "evil/nan": with_weights(config, save(damaged)),
            "evil/other-weights": with_weights(config, save({"a": torch.zeros(2, 10**6)})),
        }
        | blips(place, code, buffer.getvalue())
        | towers(place)
    )


def towers(place: Path) -> dict[str, dict[str, bytes]]:
    """A model with a text tower of transformers', whose configuration lies in another repository."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    RobertaConfig(vocab_size=200, max_position_embeddings=40, **sizes).save_pretrained(place / "roberta")
    text = {"hf_model_name": str(place / "roberta"), "hf_model_pretrained": False, "hf_proj_type": "linear"}
    model = open_clip.CustomTextCLIP(24, VISION, text)
    named = text | {"hf_model_name": "good/roberta", "hf_tokenizer_name": "evil/tokenizer", "context_length": 16}
    config = CONFIG | {"model_cfg": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": named}}
    asked = json.loads((place / "roberta" / "config.json").read_text())
    return {
        "good/tower": with_weights(json.dumps(config).encode(), save(model.state_dict())),
        "good/roberta": {"config.json": json.dumps(asked | AUTO).encode()},
    }


def blips(place: Path, code: bytes, payload: bytes) -> dict[str, dict[str, bytes]]:
    save_tiny_blip(place / "blip")
    blip = {path.name: path.read_bytes() for path in (place / "blip").iterdir()} | {"tok.py": code}
    config, words = (json.loads(blip[name]) for name in ("config.json", "tokenizer_config.json"))
    large = config | {"text_config": config["text_config"] | {"hidden_size": 10**8}}
    given = {"config.json": config | AUTO, "tokenizer_config.json": words | AUTO}
    asking = {name: json.dumps(content).encode() for name, content in given.items()}
    return {
        "good/blip": blip | asking,
        "evil/blip-large": blip | {"config.json": json.dumps(large).encode()},
        "evil/blip-pickle": {name: data for name, data in blip.items() if not name.endswith(".safetensors")}
        | {"pytorch_model.bin": payload},
    }


#: What the visitor reads, after the model's name.
SENTENCES = {
    "hf-hub:evil/kwargs": "“trust_remote_code” is not among the keys that are allowed: clean, strip_sep_token",
    "hf-hub:evil/tower": "config.json cannot be used: model_type is 'evil' and should be 'roberta'",
    "hf-hub:evil/tower-path": "hf_model_name: “../../etc” is no repository of a hub; it must be ORG/REPO",
    "hf-hub:evil/tokenizer-path": "is no repository of a hub; it must be ORG/REPO",
    "hf-hub:evil/tokenizer-dots": "“..” is no repository of a hub",
    "hf-hub:evil/no-tokenizer": "holds no tokenizer.json",
    "hf-hub:evil/broken-tokenizer": "could not be loaded",
    "hf-hub:evil/too-few-words": "the model knows 6 words",
    "hf-hub:evil/wide": "vision_cfg.width is '1000000000' and should be less than or equal to 8192",
    "hf-hub:evil/deep": "text_cfg.layers is '1000000' and should be less than or equal to 64",
    "hf-hub:evil/words": "text_cfg.vocab_size is '100000000000'",
    "hf-hub:evil/pixels": "vision_cfg.image_size",
    "hf-hub:evil/patches": "more than 1,600 patches",
    "hf-hub:evil/100-gb": "million parameters; at most 3,000 million are built",
    "hf-hub:evil/10-gb": "so they are another model's",
    "hf-hub:evil/infinite": "init_logit_scale",
    "hf-hub:evil/no-heads": "No model can be built from its configuration",
    "hf-hub:evil/timm-hub": "it must be one of timm's architectures",
    "hf-hub:evil/timm-folder": "it must be one of timm's architectures",
    "hf-hub:evil/unknown-key": "“cast_dtype” is not among the keys that are allowed",
    "hf-hub:evil/nested": "Invalid JSON",
    "hf-hub:evil/list": "open_clip_config.json cannot be used",
    "hf-hub:evil/huge-config": "at most 1,048,576 are read",
    "hf-hub:evil/pickle": "Only safetensors are loaded, no pickles",
    "hf-hub:evil/pickle-named-safe": "could not be loaded",
    "hf-hub:evil/header": "could not be loaded",
    "hf-hub:evil/huge-weights": "has 10,000,000,000,000 bytes; at most 17,179,869,184 are read",
    "hf-hub:evil/nan": "Its weights visual.proj are not all finite numbers",
    "hf-hub:evil/other-weights": "could not be loaded",
    "hf-hub:evil/nobody": "no hub can be reached from here, or it has no such model",
    "blip:evil/blip-large": "hidden_size is '100000000' and should be less than or equal to 8192",
    "blip:evil/blip-pickle": "Only safetensors are loaded, no pickles",
    "ViT-B-32/laion2b_s34b_b79k": "holds no open_clip_model.safetensors",
}
LOADED = ("hf-hub:good/plain", "hf-hub:good/named", "hf-hub:good/tower", "blip:good/blip")


@pytest.fixture(scope="module")
def visit(place: Path, model: open_clip.CLIP) -> dict[str, Any]:
    """What became of each model that was asked for, what else was written, and what was asked of the hub."""
    served = repositories(place, model) | {"laion/CLIP-ViT-B-32-laion2B-s34B-b79K": {"README.md": b""}}
    home, temporary = place / "home", place / "temporary"
    for folder in (home, temporary, place / "cwd"):
        folder.mkdir()
    before = {path for path in place.rglob("*") if path.is_file()}
    sizes = {("evil/huge-weights", "open_clip_model.safetensors"): 10**13}
    with stand_in_hub(served, sizes) as (address, asked):
        environment = {
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(place / "cache"),
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "NO_PROXY": "*",
        }
        ended = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "helpers" / "visitor_of_a_hub.py"), *SENTENCES, *LOADED],
            env=environment,
            cwd=place / "cwd",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr[-2000:]
    after = {path for path in place.rglob("*") if path.is_file() and place / "cache" not in path.parents}
    return {
        "became": json.loads(ended.stdout.splitlines()[-1]),
        "written": after - before,
        "asked": asked,
        "errors": ended.stderr,
    }


@pytest.mark.parametrize("name", SENTENCES)
def test_a_hostile_repository_ends_in_a_sentence(name: str, visit: dict[str, Any]):
    sentence = visit["became"][name]
    assert isinstance(sentence, str), sentence
    assert sentence.startswith(f"The model “{name}” could not be ")
    assert SENTENCES[name] in sentence
    assert len(sentence) < 700


def test_nothing_of_them_ran_and_nothing_was_written_outside_the_cache(place: Path, visit: dict[str, Any]):
    assert not (place / "it-ran").exists()
    assert visit["written"] == set()
    kept = [path.suffix for path in (place / "cache").rglob("*") if path.is_file() and "snapshots" in path.parts]
    assert kept
    assert set(kept) <= {".json", ".safetensors"}, "no other kind of file is even fetched"
    assert not [path for path in visit["asked"] if path.endswith((".py", ".bin", ".pt"))]
    assert "Traceback" not in visit["errors"]


def test_what_is_too_large_is_not_fetched(visit: dict[str, Any]):
    for name in ("evil/100-gb", "evil/wide", "evil/kwargs"):
        assert not [path for path in visit["asked"] if f"{name}/" in path and path.endswith(".safetensors")], name


def test_a_repository_as_it_should_be_is_loaded_and_gives_its_own_numbers(visit: dict[str, Any], model: open_clip.CLIP):
    preprocess = open_clip.image_transform(32, is_train=False, mean=(0.5,) * 3)
    with torch.inference_mode():
        text = model.encode_text(open_clip.SimpleTokenizer(context_length=16)(["a cat"]))
        image = model.encode_image(preprocess(Image.radial_gradient("L").convert("RGB"))[None])
    expected = torch.cat([F.normalize(text, dim=-1)[0], F.normalize(image, dim=-1)[0]])
    torch.testing.assert_close(torch.tensor(visit["became"]["hf-hub:good/plain"]), expected, atol=1e-6, rtol=0)
    # Python lies beside these: what is no program of theirs still serves.
    assert all(isinstance(visit["became"][name], list) for name in LOADED), visit["became"]


def test_files_of_one_repository_are_of_one_commit_and_pinned_ones_of_theirs(visit: dict[str, Any]):
    pinned = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    of_pinned = [path for path in visit["asked"] if pinned in path and "/resolve/" in path]
    assert of_pinned
    assert all(PINNED[pinned] in path for path in of_pinned)
    weights = [path for path in visit["asked"] if path.startswith("/good/plain/") and path.endswith(".safetensors")]
    assert weights
    assert all(COMMIT in path for path in weights), "the configuration that was checked is of this commit"


@pytest.mark.parametrize("name", ["..", "a/..", "/etc", "a/b/c", "a", "a/b\n", "https://host/a", "a/b?x=1", ""])
def test_only_org_slash_repo_is_a_repository(name: str):
    with pytest.raises(ModelError, match="must be ORG/REPO"):
        Repository(name)


def test_every_kind_of_file_has_a_largest_size():
    for name in ("tokenizer.json", "open_clip_config.json", "model.safetensors"):
        require_size(name, 1000)
        with pytest.raises(ModelError, match="at most"):
            require_size(name, 10**12)


def test_no_option_of_a_tokenizers_class_is_a_repositorys():
    assert set(TokenizerOptions.model_fields) == {"clean", "strip_sep_token"}
