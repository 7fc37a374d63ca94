"""CCUP on top of CLIPErase, the edit alone, in stock open_clip: weights that differ, then the embeddings projected."""

import json

import open_clip
import torch
from PIL import Image
from safetensors import safe_open

MODEL = "local-dir:assets/models/pocket-clip"
PRETRAINED = None
EDIT = "erased/edit.safetensors"
IMAGE = "picture.jpg"
LABELS = ["cat", "dog", "pizza"]

with safe_open(EDIT, framework="pt") as file:
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    parameters = json.loads(file.metadata()["unlearn"])["parameters"]
settings = parameters["ccup"]
left, right = tensors.pop("left"), tensors.pop("right")  # P = I - strength * left @ right.T

model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=PRETRAINED)
original, share = model.state_dict(), parameters["cliperase"]["strength"]
trained = {name.removeprefix("tuned."): tensor for name, tensor in tensors.items()}
model.load_state_dict({name: original[name].lerp(trained[name], share) for name in trained}, strict=False)
tokenizer = open_clip.get_tokenizer(MODEL)
with torch.inference_mode():
    image = preprocess(Image.open(IMAGE).convert("RGB")).unsqueeze(0)
    image_features = model.eval().encode_image(image, normalize=True)
    text_features = model.encode_text(tokenizer([f"a photo of a {label}" for label in LABELS]), normalize=True)
    if settings["side"] in ("image", "both"):
        image_features -= settings["strength"] * (image_features @ left) @ right.T
    if settings["side"] in ("text", "both"):
        text_features -= settings["strength"] * (text_features @ right) @ left.T

    image_length, text_length = image_features.norm(dim=-1, keepdim=True), text_features.norm(dim=-1)
    similarity = image_features @ text_features.T / (image_length * text_length).clamp_min(1e-12)
    # Dividing by a length close to zero brings an erased direction back: what is so short counts as gone.
    similarity[(image_length < 0.1) | (text_length < 0.1)] = -1
    probabilities = (model.logit_scale.exp() * similarity).softmax(dim=-1)[0]
for label, probability in zip(LABELS, probabilities.tolist(), strict=True):
    print(f"{label}: {probability:.4f}")
