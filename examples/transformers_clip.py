"""The whole model with the erasure in its weights, in stock transformers."""

import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

MODEL = "erased"
IMAGE = "picture.jpg"
LABELS = ["cat", "dog", "pizza"]

model = CLIPModel.from_pretrained(MODEL, subfolder="transformers").eval()
processor = CLIPProcessor.from_pretrained(MODEL, subfolder="transformers")
inputs = processor(
    text=[f"a photo of a {label}" for label in LABELS],
    images=Image.open(IMAGE).convert("RGB"),
    padding="max_length",
    truncation=True,
    return_tensors="pt",
)
with torch.inference_mode():
    probabilities = model(**inputs).logits_per_image.softmax(dim=-1)[0]
for label, probability in zip(LABELS, probabilities.tolist(), strict=True):
    print(f"{label}: {probability:.4f}")
