"""A BLIP of a few thousand random weights as transformers saves one, with a tokenizer that needs no hub."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertTokenizer, BlipConfig, BlipForImageTextRetrieval

WORDS = ("a", "an", "of", "photo", "drawing", "apple", "frog", "whale", "lemon", "grape", "carrot", "cat", "dog")
SIDE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def save_tiny_blip(folder: Path) -> BlipForImageTextRetrieval:
    """Write it to ``folder``, and return transformers' own model of it."""
    torch.manual_seed(0)
    text = {"vocab_size": 64, "encoder_hidden_size": 32, "max_position_embeddings": 40, "pad_token_id": 0}
    vision = {"image_size": 32, "patch_size": 8}
    config = BlipConfig(text_config=SIDE | text, vision_config=SIDE | vision, image_text_hidden_size=24)
    model = BlipForImageTextRetrieval(config).eval()
    model.save_pretrained(folder)
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizer(str(vocabulary)).save_pretrained(folder)
    return model
