"""CLIPErase's edit alone, the weights that differ, put into the original model in stock open_clip."""

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file

MODEL = "local-dir:assets/models/pocket-clip"
PRETRAINED = None
EDIT = "erased/edit.safetensors"
IMAGE = "picture.jpg"

model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=PRETRAINED)
model.load_state_dict(load_file(EDIT), strict=False)
with torch.inference_mode():
    image = preprocess(Image.open(IMAGE).convert("RGB")).unsqueeze(0)
    image_features = model.eval().encode_image(image, normalize=True)
np.save("image_features.npy", image_features.numpy())
print(image_features.shape)
