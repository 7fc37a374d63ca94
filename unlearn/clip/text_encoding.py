"""Text towers run on as many positions as a batch needs, instead of the whole context.

In a causal tower that reads the embedding at a text's end token, the padding after that token has no effect. Names and
prompts have about 10 tokens and towers 77 positions, so most of the work would be on padding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unlearn import late


def encode_text(model: nn.Module, tokens: Tensor) -> Tensor:
    """Return ``model.encode_text(tokens)``, (n, embed_dim), for token ids (n, context); not normalised.

    A causal tower that reads the end token runs up to the last end token of all rows only, with the same result up to
    rounding and the same gradients. Other towers run on the whole context.
    """
    tower = causal_tower(model)
    if tower is None or not len(tokens):
        return model.encode_text(tokens)  # type: ignore[operator, no-any-return]
    ends = end_positions(tower, tokens)
    length = int(ends.max()) + 1
    dtype = tower.transformer.get_cast_dtype()
    embedded = tower.token_embedding(tokens[:, :length]).to(dtype) + tower.positional_embedding[:length].to(dtype)
    states = tower.transformer(embedded, attn_mask=tower.attn_mask[:length, :length])
    pooled: Tensor = tower.ln_final(states[torch.arange(len(tokens), device=tokens.device), ends])
    projection = tower.text_projection
    if projection is None:
        return pooled
    projected: Tensor = projection(pooled) if isinstance(projection, nn.Module) else pooled @ projection
    return projected


def causal_tower(model: nn.Module) -> Any:
    """Return the module that holds open_clip's causal transformer if it reads the end token, else None."""
    open_clip = late.open_clip
    tower: Any = model.text if type(model) is open_clip.CustomTextCLIP else model
    if type(tower) not in (open_clip.CLIP, open_clip.transformer.TextTransformer) or tower.attn_mask is None:
        return None
    # CoCa appends a token of its own to the text and reads that.
    if getattr(tower, "cls_emb", None) is not None or getattr(tower, "output_tokens", False):
        return None
    return tower if _pooling(tower)[0] in ("argmax", "eos") else None


def _pooling(tower: Any) -> tuple[str, int]:
    """Return open_clip's name for the position that ``tower`` reads, and the end token; ``CLIP`` prefixes both."""
    prefix = "text_" if hasattr(tower, "text_pool_type") else ""
    return getattr(tower, f"{prefix}pool_type"), getattr(tower, f"{prefix}eos_id")


def end_positions(tower: Any, tokens: Tensor) -> Tensor:
    """Return the position of each row's end token, (n,): the largest token unless the tower knows its end token."""
    pooling, end = _pooling(tower)
    return (tokens if pooling == "argmax" else (tokens == end).int()).argmax(dim=-1)
