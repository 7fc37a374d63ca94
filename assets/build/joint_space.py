"""Fit the joint space: a projection of image features, and class embeddings that start from what words mean."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from imagenet import ImaginedPhotos
from texts import labels, sentence_embeddings

WIDTH, EMBED_DIM = 1280, 256


class JointSpace(nn.Module):
    """Image features and words in one space of unit vectors.

    A class is its name's sentence embedding, mapped linearly, plus a small vector of its own; a word that no picture
    shows has the mapped part alone, so it lands near the classes it is related to.
    """

    def __init__(self) -> None:
        super().__init__()
        known = labels()
        self.spellings = [(name, *synonyms) for name, synonyms in zip(known.names, known.synonyms, strict=True)]
        self.sentences = {t: i for i, t in enumerate(dict.fromkeys(t for group in self.spellings for t in group))}
        sentences = sentence_embeddings(list(self.sentences))
        self.register_buffer("sentence_matrix", sentences)
        self.register_buffer("sentence_mean", sentences.mean(0))
        self.project = nn.Linear(WIDTH, EMBED_DIM, bias=False)
        self.meaning = nn.Linear(sentences.shape[1], EMBED_DIM, bias=False)
        self.own = nn.Parameter(torch.zeros(len(known.names), EMBED_DIM))
        self.log_scale = nn.Parameter(torch.tensor(3.0))
        nn.init.normal_(self.project.weight, std=WIDTH**-0.5)
        nn.init.normal_(self.meaning.weight, std=sentences.shape[1] ** -0.5)

    def images(self, features: Tensor) -> Tensor:
        """(n, 1280) to unit norm (n, 256)."""
        return F.normalize(self.project(features), dim=-1)

    def words(self, sentences: Tensor) -> Tensor:
        """Sentence embeddings (n, 384) to unit norm (n, 256)."""
        return F.normalize(self.meaning(sentences - self.sentence_mean), dim=-1)

    def classes(self, synonyms: bool = False) -> Tensor:
        """Unit-norm class embeddings (classes, 256), from names or from spellings drawn by lot."""
        chosen = [self.sentences[random.choice(group) if synonyms else group[0]] for group in self.spellings]
        return F.normalize(self.words(self.sentence_matrix[chosen]) + self.own, dim=-1)


def picture_loss(images: Tensor, classes: Tensor, shown: Tensor, scale: Tensor) -> Tensor:
    """Cross entropy over all classes; everything a picture shows is right, kinds it may be of do not count.

    Args:
        images: (n, 256) unit norm. classes: (m, 256) unit norm.
        shown: (n, 2) labels of the one or two things in the picture.
    """
    known = labels()
    positive, unknown = known.positive.to(shown.device), known.unknown.to(shown.device)
    right = positive[shown[:, 0]] | positive[shown[:, 1]]
    skip = (unknown[shown[:, 0]] | unknown[shown[:, 1]]) & ~right
    logits = (images @ classes.T * scale).masked_fill(skip, -1e4)
    target = right.float() / right.sum(1, keepdim=True)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def fit(space: JointSpace, features: Tensor, shown: Tensor, steps: int, rate: float = 2e-3) -> JointSpace:
    """Train on cached features of drawings (views, n, 1280) labelled (views, n, 2), and on imagined photographs."""
    single = shown[..., 0] == shown[..., 1]
    flat, names = features[single].float(), shown[..., 0][single]
    centres = torch.zeros(labels().concepts, WIDTH).index_reduce_(0, names, flat, "mean", include_self=False)
    photos = ImaginedPhotos(flat - centres[names])
    flat, pairs = features.flatten(0, 1), shown.flatten(0, 1)
    decay = [{"params": [space.own], "weight_decay": 0.5}, {"params": [space.project.weight, space.meaning.weight], "weight_decay": 0.05}]
    optimiser = torch.optim.AdamW([*decay, {"params": [space.log_scale], "weight_decay": 0.0}], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for _ in (bar := trange(steps, desc="joint space", mininterval=5)):
        chosen = torch.randint(len(flat), (384,))
        leaves = torch.randint(1000, (256,))
        classes = space.classes(synonyms=True)
        scale = space.log_scale.exp().clamp(max=100)
        drawn = picture_loss(space.images(flat[chosen].float()), classes, pairs[chosen], scale)
        leaf = (leaves + labels().concepts)[:, None].expand(-1, 2)
        photo = picture_loss(space.images(photos.sample(leaves)), classes, leaf, scale)
        optimiser.zero_grad()
        (drawn + 0.5 * photo).backward()
        optimiser.step()
        schedule.step()
        bar.set_postfix(drawn=f"{drawn.item():.2f}", photo=f"{photo.item():.2f}", refresh=False)
    return space
