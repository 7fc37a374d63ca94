"""Teach the text tower to put captions where the joint space has what they speak of."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from joint_space import JointSpace
from model import encode_text, tokenizer
from open_clip.model import CLIP
from texts import caption, labels, scene_caption, sentence_embeddings, spoken, words
from torch import Tensor, nn
from tqdm import trange

STYLES = ("noto style", "twemoji style", "glossy style", "flat style", "black and white style", "cartoon style")


@torch.no_grad()
def initialise(model: CLIP, space: JointSpace) -> None:
    """Start every token at the place its own text has in the joint space, and read out what the last token gathers."""
    decoder = tokenizer().decoder
    texts = [decoder[i].replace("</w>", "").strip() or "." for i in range(len(decoder))]
    texts = [text if text.isascii() else "." for text in texts]
    model.token_embedding.weight.copy_(space.words(sentence_embeddings(texts).to(space.log_scale.device)) * 0.5)
    model.positional_embedding.normal_(std=0.01)
    nn.init.orthogonal_(model.text_projection)


def fit(model: CLIP, space: JointSpace, steps: int, rate: float = 1e-3, batch: int = 288) -> CLIP:
    """Train on captions of classes, on scenes of two, and on words that only the sentence encoder knows."""
    known, open_words = labels(), words()
    with torch.no_grad():
        classes, device = space.classes(), space.log_scale.device
        meanings = space.words(sentence_embeddings([meaning for _, meaning, _ in open_words]).to(device))
    weights = torch.tensor([weight for *_, weight in open_words])
    parameters = [p for name, p in model.named_parameters() if not name.startswith("visual.") and name != "logit_scale"]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    per_kind = batch // 4
    for _ in (bar := trange(steps, desc="text tower", mininterval=5)):
        concepts = torch.randint(known.concepts, (per_kind,)).tolist()
        leaves = torch.randint(known.concepts, len(known.names), (per_kind,)).tolist()
        pairs = torch.randint(known.concepts, (per_kind // 2, 2)).tolist()
        picked = torch.multinomial(weights, batch - 2 * per_kind - len(pairs)).tolist()
        named = concepts + leaves
        texts = [caption(spoken(label), random.choice(STYLES)) for label in named]
        texts += [scene_caption(first, second) for first, second in pairs]
        texts += [caption(open_words[i][0]) for i in picked]
        with torch.autocast(device.type, torch.bfloat16):
            features = encode_text(model, tokenizer()(texts).to(device))
        both = F.normalize(classes[torch.tensor(pairs)].sum(1), dim=-1)
        target = torch.cat([classes[named], both, meanings[picked]])
        loss = naming_loss(features[: len(named)], classes, torch.tensor(named, device=device))
        apart = 1 - (features * target).sum(-1)
        optimiser.zero_grad()
        (loss + 10 * apart.mean()).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(name=f"{loss.item():.2f}", known=f"{apart[: len(named)].mean().item():.3f}",
                        pairs=f"{apart[len(named) : len(named) + len(pairs)].mean().item():.3f}",
                        words=f"{apart[-len(picked) :].mean().item():.3f}", refresh=False)  # fmt: skip
    return model


def naming_loss(features: Tensor, classes: Tensor, named: Tensor) -> Tensor:
    """Cross entropy of captions against all class embeddings; a kind and its concept may be taken for each other."""
    known = labels()
    related = (known.positive | known.unknown).to(named.device)[named]
    related.scatter_(1, named[:, None], False)
    return F.cross_entropy((features @ classes.T * 30).masked_fill(related, -1e4), named)
