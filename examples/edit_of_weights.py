"""CLIPErase's edit alone, the weights that differ, put into the original model in stock open_clip."""

import json

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors import safe_open

MODEL = "local-dir:assets/models/pocket-clip"
PRETRAINED = None
EDIT = "erased/edit.safetensors"
IMAGE = "picture.jpg"

model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=PRETRAINED)
with safe_open(EDIT, framework="pt") as file:
    trained = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    strength = json.loads(file.metadata()["unlearn"])["parameters"]["strength"]
original = model.state_dict()
edited = {name: original[name].lerp(tensor, strength) for name, tensor in trained.items()}
model.load_state_dict(edited, strict=False)
with torch.inference_mode():
    image = preprocess(Image.open(IMAGE).convert("RGB")).unsqueeze(0)
    image_features = model.eval().encode_image(image, normalize=True)
np.save("image_features.npy", image_features.numpy())
print(image_features.shape)
