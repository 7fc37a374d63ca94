"""The whole model with the erasure in its weights, in stock open_clip."""

import open_clip
import torch
from PIL import Image

MODEL = "local-dir:erased"
IMAGE = "picture.jpg"
LABELS = ["cat", "dog", "pizza"]

model, _, preprocess = open_clip.create_model_and_transforms(MODEL)
tokenizer = open_clip.get_tokenizer(MODEL)
with torch.inference_mode():
    image = preprocess(Image.open(IMAGE).convert("RGB")).unsqueeze(0)
    image_features = model.eval().encode_image(image, normalize=True)
    text_features = model.encode_text(tokenizer([f"a photo of a {label}" for label in LABELS]), normalize=True)
    probabilities = (model.logit_scale.exp() * image_features @ text_features.T).softmax(dim=-1)[0]
for label, probability in zip(LABELS, probabilities.tolist(), strict=True):
    print(f"{label}: {probability:.4f}")
