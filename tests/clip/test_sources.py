"""Models from files of this machine: folders of ours, open_clip's and transformers'; weights in other layouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from helpers.toy import toy_model
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn.clip.architectures import Architecture, Text, Vision, checked
from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder
from unlearn.clip.final_projections import find_projection
from unlearn.clip.layouts import as_open_clip, read_weights
from unlearn.clip.loading import load_clip
from unlearn.clip.projection import Projection
from unlearn.clip.transformers_configs import TransformersClip, TransformersPreprocessing
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ModelError
from unlearn.export.saved import save_erasure
from unlearn.export.transformers_clip import as_clip_model, save_transformers

TEXTS = ["a photo of an apple", "two frogs!"]
IMAGE = Image.radial_gradient("L").resize((80, 60)).convert("RGB")
TOWERS = {
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def write_folder(folder: Path, weights: dict[str, Tensor], **config: Any) -> str:
    """A model in a folder as open_clip writes it; its name."""
    folder.mkdir(exist_ok=True)
    config = {"model_cfg": {"embed_dim": 32, **TOWERS} | config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if weights:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    return f"local-dir:{folder}"


def same(ours: OpenClipEncoder, other: Any, atol: float = 1e-6) -> None:
    """Nothing, if the two embed alike."""
    torch.testing.assert_close(ours.encode_text(TEXTS), other.encode_text(TEXTS), atol=atol, rtol=0)
    torch.testing.assert_close(ours.encode_image([IMAGE]), other.encode_image([IMAGE]), atol=atol, rtol=0)


def test_what_erase_wrote_is_a_model(pocket, toy_vocabulary, tmp_path):
    erasure = ccup.erase(pocket, select("apple", vocabulary=toy_vocabulary), vocabulary=toy_vocabulary)
    save_erasure(tmp_path / "first", pocket, erasure, metrics={}, seed=0)
    loaded = load_clip(f"local-dir:{tmp_path / 'first'}", device="cpu")
    same(loaded, erasure.apply(pocket), atol=2e-6)
    # And it is erased and written once more, as any model.
    more = ccup.erase(loaded, select("frog", vocabulary=toy_vocabulary), vocabulary=toy_vocabulary)
    save_erasure(tmp_path / "second", loaded, more, metrics={}, seed=0)
    same(load_clip(f"local-dir:{tmp_path / 'second'}", device="cpu"), more.apply(loaded), atol=2e-6)


def test_a_folder_of_transformers_is_a_model(tmp_path):
    encoder = toy_model()
    save_transformers(tmp_path, encoder)
    same(load_clip(f"local-dir:{tmp_path}", device="cpu"), encoder, atol=1e-5)


@pytest.mark.parametrize("quick", [True, False])
def test_transformers_names_of_sizes_are_open_clips(quick):
    model = open_clip.CLIP(32, TOWERS["vision_cfg"], TOWERS["text_cfg"], quick_gelu=quick)
    converted = as_clip_model(model)
    config = checked(TransformersClip, converted.config.to_json_string(), "config.json").as_open_clip()
    assert config.quick_gelu is quick
    for given, schema in (("vision_cfg", Vision), ("text_cfg", Text)):
        asked, got = schema(**TOWERS[given]), getattr(config, given)
        assert {key: getattr(got, key) for key in TOWERS[given]} == {key: getattr(asked, key) for key in TOWERS[given]}
        assert got.mlp_ratio == asked.mlp_ratio
    state = as_open_clip(converted.state_dict())
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_transformers_preprocessing_is_open_clips():
    given = {"image_mean": [0.5] * 3, "image_std": [0.4] * 3, "resample": 2, "size": {"height": 9, "width": 9}}
    assert TransformersPreprocessing(**given).as_open_clip().options() == {
        "mean": [0.5] * 3,
        "std": [0.4] * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }


LAYOUTS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "plain": lambda state: state,
    "lightning": lambda state: {
        "state_dict": {f"model.{name}": tensor for name, tensor in state.items()} | {"loss.weight": torch.ones(1)},
        "optimizer_states": [{"lr": 0.1}],
        "epoch": 3,
    },
    "model": lambda state: {"model": state, "optimizer": {"state": {}}},
    "compiled": lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    "parallel and compiled": lambda state: {
        "model": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_found_whatever_a_training_loop_put_around_them(layout, tmp_path):
    state = toy_model().model.state_dict()
    torch.save(LAYOUTS[layout](state), tmp_path / "weights.pt")
    found = as_open_clip(read_weights(tmp_path / "weights.pt"))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_a_checkpoint_of_a_training_loop_is_a_model(tmp_path):
    encoder = toy_model()
    name = write_folder(tmp_path, {})
    torch.save(LAYOUTS["lightning"](encoder.model.state_dict()), tmp_path / "pytorch_model.bin")
    same(load_clip(name, device="cpu"), encoder)


class Scripted(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_what_is_no_weights_is_refused_with_what_is_wanted(tmp_path):
    path = tmp_path / "weights.pt"
    state = toy_model().model.state_dict()
    cases = {
        "holds no weights by name": {"epoch": 3, "optimizer": {"lr": 0.1}},
        "could not be loaded": Scripted(),
        "holds no weights": [1, 2],
    }
    for sentence, content in cases.items():
        torch.save(content, path)
        with pytest.raises(ModelError, match=f"{sentence}.* Wanted are a model's weights by name"):
            read_weights(path)
    with pytest.raises(ModelError, match="more than one model: student., teacher.*Wanted"):
        as_open_clip({f"{which}.{name}": value for which in ("student", "teacher") for name, value in state.items()})
    with pytest.raises(ModelError, match="no part of a transformers CLIPModel"):
        as_open_clip({"vision_model.encoder.layers.0.gate.weight": torch.ones(1)})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_archive_is_not_opened(tmp_path):
    torch.jit.save(torch.jit.trace(Scripted(), torch.ones(1)), str(tmp_path / "scripted.pt"))
    with pytest.raises(ModelError, match="TorchScript archive: it carries a program and is not opened. Wanted"):
        read_weights(tmp_path / "scripted.pt")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no open_clip_config.json or config.json"),
        ({"config.json": '{"model_type": "llama"}'}, "holds a “llama”; of transformers' models CLIP and BLIP are read"),
        ({"config.json": "no JSON"}, "Invalid JSON"),
        ({"open_clip_config.json": json.dumps({"model_cfg": {"embed_dim": 32, **TOWERS}})}, "holds no open_clip_model"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_in_a_sentence(files, sentence, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=sentence):
        load_clip(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_finite_numbers_are_refused(value, tmp_path):
    state = toy_model().model.state_dict()
    state["visual.proj"] = torch.full_like(state["visual.proj"], value)
    with pytest.raises(ModelError, match="Its weights visual.proj are not all finite numbers"):
        load_clip(write_folder(tmp_path, state), device="cpu")


def test_weights_so_large_that_embeddings_overflow_are_refused(tmp_path):
    state = toy_model().model.state_dict()
    state["visual.proj"] = state["visual.proj"] + 3e38
    with pytest.raises(ModelError, match="embeddings that are not finite numbers: its weights are damaged"):
        load_clip(write_folder(tmp_path, state), device="cpu")


def test_an_overflow_of_half_precision_names_the_precision_to_choose(tmp_path):
    state = toy_model().model.state_dict()
    state["visual.proj"] = state["visual.proj"] * 1e7
    name = write_folder(tmp_path, state)
    with pytest.raises(ModelError, match="not finite numbers in float16.* choose the precision bfloat16 or float32"):
        load_clip(name, device="cpu", precision="float16")
    assert load_clip(name, device="cpu").encode_image([IMAGE]).isfinite().all()


@pytest.mark.parametrize("side", ["image", "text"])
def test_an_edit_that_makes_embeddings_overflow_is_refused(side, toy):
    factor = torch.full((toy.embed_dim, 1), 1e30)
    edited = EditedEncoder(toy, Projection(factor, factor), side)
    with pytest.raises(ModelError, match="not finite numbers"):
        edited.encode_image([IMAGE]) if side == "image" else edited.encode_text(TEXTS)


def test_words_that_a_model_does_not_know_are_refused_before_a_gpu_is_asked(toy):
    small = replace(toy, model=open_clip.CLIP(32, TOWERS["vision_cfg"], TOWERS["text_cfg"] | {"vocab_size": 9}))
    with pytest.raises(ModelError, match="the model knows 9 words"):
        small.encode_text(["a cat"])


SMALL = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
BLOCKS = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1, "head_width": 32}
TIMM = {"timm_proj": None, "timm_model_pretrained": False}
#: How much embeddings of the export may differ from the live edit's.
AGREE = 5e-7
#: Each kind of tower that people load, as small as its library has it.
KINDS: dict[str, dict[str, Any]] = {
    "CoCa": {
        "vision_cfg": BLOCKS | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": SMALL | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": SMALL | {"attn_pooler_heads": 2},
        "custom_text": True,
    },
    "EVA02": {
        "vision_cfg": TIMM | {"timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "image_size": 224},
        "text_cfg": SMALL,
        "custom_text": True,
    },
    "PE-Core": {
        "vision_cfg": TIMM | {"timm_model_name": "vit_pe_core_tiny_patch16_384", "timm_pool": "map", "image_size": 384},
        "text_cfg": SMALL,
        "custom_text": True,
    },
    "MobileCLIP2": {
        "vision_cfg": TIMM | {"timm_model_name": "fastvit_mci0", "timm_pool": "avg", "image_size": 256},
        "text_cfg": SMALL | {"no_causal_mask": True},
        "custom_text": True,
    },
    "RN50": {
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": SMALL,
    },
    "ViT-B-32-quickgelu": {"vision_cfg": BLOCKS, "text_cfg": SMALL, "quick_gelu": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_export_of_each_kind_of_model_is_its_live_edit_in_stock_open_clip(
    kind: str, toy_vocabulary: Vocabulary, tmp_path: Path
):
    torch.manual_seed(0)
    config = checked(Architecture, {"embed_dim": 64} | KINDS[kind], kind).options()
    made = dict(config)
    build = open_clip.CoCa if "multimodal_cfg" in made else open_clip.CustomTextCLIP
    custom = made.pop("custom_text", False)
    model = (build if custom else open_clip.CLIP)(**made).eval()
    encoder = load_clip(write_folder(tmp_path / "base", model.state_dict(), **config), device="cpu")
    side = "both" if find_projection(model, "image") else "text"
    settings = CCUPSettings("consistent", 0.5, side=side)
    erasure = ccup.erase(encoder, select("apple", vocabulary=toy_vocabulary), settings, vocabulary=toy_vocabulary)
    save_erasure(tmp_path / "edited", encoder, erasure, metrics={}, seed=0)
    spec = f"local-dir:{tmp_path / 'edited'}"
    stock, preprocess = open_clip.create_model_from_pretrained(spec)
    tokens = open_clip.get_tokenizer(spec)(TEXTS)
    live = erasure.apply(encoder)
    with torch.inference_mode():
        texts = stock.eval().encode_text(tokens, normalize=True)
        images = stock.encode_image(preprocess(IMAGE)[None], normalize=True)
    torch.testing.assert_close(texts, live.encode_text(TEXTS), atol=AGREE, rtol=0)
    torch.testing.assert_close(images, live.encode_image([IMAGE]), atol=AGREE, rtol=0)
    assert (images - encoder.encode_image([IMAGE])).abs().max() > 1e-3 or side == "text"
    assert load_file(tmp_path / "edited" / "open_clip_model.safetensors").keys() == encoder.model.state_dict().keys()
