"""The joint space: a projection of image features, and class embeddings that start from what words mean."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from imagenet import centred_weights
from texts import labels, sentence_embeddings
from torch import Tensor, nn

WIDTH, EMBED_DIM = 1280, 256
RIDGE = 5.0


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
        self.log_scale = nn.Parameter(torch.tensor(3.2))
        self.start_from_classifier()

    @torch.no_grad()
    def start_from_classifier(self) -> None:
        """Photographs are named before any training: the space is the main part of ImageNet's classifier itself.

        The projection is the leading right singular vectors of the class weights W, an ImageNet class is its own row of
        W projected, a concept with kinds among the classes is their mean, and the map from sentence embeddings is the
        ridge regression onto those, so that every other word lands near what it is related to.
        """
        weights, known = centred_weights(), labels()
        basis = torch.linalg.svd(weights, full_matrices=False).Vh[:EMBED_DIM]
        self.project.weight.copy_(basis)
        classes = F.normalize(weights @ basis.T, dim=-1)
        first = torch.tensor([self.sentences[group[0]] for group in self.spellings])
        sentences = (self.sentence_matrix - self.sentence_mean)[first[known.concepts :]]
        gram = sentences.T @ sentences + RIDGE * torch.eye(sentences.shape[1])
        self.meaning.weight.copy_(torch.linalg.solve(gram, sentences.T @ classes).T)
        mapped = self.words(self.sentence_matrix[first])
        self.own[known.concepts :] = classes - mapped[known.concepts :]
        for concept in range(known.concepts):
            kinds = classes[known.parent[known.concepts :] == concept]
            if len(kinds):
                self.own[concept] = F.normalize(kinds.mean(0), dim=-1) - mapped[concept]

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


def image_loss(images: Tensor, classes: Tensor, shown: Tensor, scale: Tensor) -> Tensor:
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
