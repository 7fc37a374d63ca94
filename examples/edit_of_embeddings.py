"""CCUP's edit alone, applied to embeddings made earlier by the original model, a search index say: numpy, no model."""

import json

import numpy as np
from safetensors import safe_open

EDIT = "erased/edit.safetensors"
IMAGES = "image_features.npy"  # (n, embed_dim), unit length
TEXTS = "text_features.npy"  # (m, embed_dim), unit length

with safe_open(EDIT, framework="numpy") as file:
    left, right = file.get_tensor("left"), file.get_tensor("right")  # P = I - strength * left @ right.T
    parameters = json.loads(file.metadata()["unlearn"])["parameters"]
strength, side = parameters["strength"], parameters["side"]

images, texts = np.load(IMAGES), np.load(TEXTS)
if side in ("image", "both"):
    images = images - strength * (images @ left) @ right.T
if side in ("text", "both"):
    texts = texts - strength * (texts @ right) @ left.T

image_length, text_length = np.linalg.norm(images, axis=1)[:, None], np.linalg.norm(texts, axis=1)
similarity = images @ texts.T / np.maximum(image_length * text_length, 1e-12)
# Dividing by a length close to zero brings an erased direction back: what is so short counts as gone.
similarity[(image_length < 0.1) | (text_length < 0.1)] = -1
np.save("similarity.npy", similarity)
print(similarity.round(4))
