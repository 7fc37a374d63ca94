"""Relearning: compares how fast a few images restore the concept with how fast they teach a word new to the model.

Both final projections of the edited model are fine-tuned on images of the concept and some others; the short
training allows no more. The original model learns made-up words from the same images, starting from nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.attacks.finding import Curve, Finding, Row, auroc_either_end, mean
from unlearn.attacks.groups import AUROC_EITHER_END, Group
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox
from unlearn.concepts.prompts import prompts
from unlearn.data.images import count_in_words
from unlearn.progress import Progress

GROUP = Group.RELEARNING
(NAME,) = GROUP.attacks
MEASURE = f"{AUROC_EITHER_END}, on average over the steps"
EXAMPLES = (1, 2, 5, 10)
STEPS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50)
TEMPLATE = "a picture of a {}"
MADE_UP = ("dax", "blicket")
LEARNING_RATE = 1e-4


def attack_relearning(target: AttackTarget, examples: Sequence[int] = EXAMPLES) -> Generator[Progress, None, Finding]:
    """Fine-tune once for each number of images in ``examples``; reports progress after every curve.

    Raises:
        ModelError: the model's weights are not available.
    """
    name, own = target.concept.name, len(target.known.own)
    counts = [count for count in examples if count <= own] or [own]
    rows, curves, done, total = [], [], 0, len(counts) * (2 + len(MADE_UP))
    for count in counts:
        drawn: list[list[float]] = []
        for white_box, word in [(target.before, name), (target.after, name), *((target.before, w) for w in MADE_UP)]:
            drawn.append(_relearn(white_box, target, word, count))
            done += 1
            yield Progress(done, total)
        before, after, *made_up = drawn
        never = [mean(values) for values in zip(*made_up, strict=True)]
        learned_from = examples_in_words(count, target.images)
        rows.append(Row(learned_from, *(_over_steps(values) for values in (before, after, never))))
        curves += [
            Curve(edited, count, learned_from, tuple(zip(STEPS, values, strict=True)))
            for edited, values in ((True, after), (False, never))
        ]
    return _finding(rows, curves, target)


def _over_steps(values: Sequence[float]) -> float:
    """Return the mean over all steps of values measured at :data:`STEPS`, which are closer together at first."""
    return float(torch.trapezoid(torch.tensor(values), torch.tensor(STEPS, dtype=torch.float32))) / STEPS[-1]


def examples_in_words(count: int, images: int) -> str:
    """Describe ``count`` examples made from ``images`` images and views of them: "2 pictures and 3 views"."""
    different = min(count, images)
    shown = count_in_words(different)
    views = count - different
    return shown if not views else f"{shown} and {views} view{'s' if views > 1 else ''}"


def _finding(rows: Sequence[Row], curves: Sequence[Curve], target: AttackTarget) -> Finding:
    before, after, never = (mean([getattr(row, part) for row in rows]) for part in ("before", "after", "control"))
    finding = Finding(
        GROUP,
        NAME,
        MEASURE,
        before,
        after,
        chance=never,
        control=never,
        control_name="new word",
        rows=tuple(rows),
        curves=tuple(curves),
        n=target.n,
        others=target.others,
    )
    return finding.worded(
        leaked="It keeps more than half of its head start over a word that the model never knew: hidden, not gone.",
        held="It keeps less than half of its head start over a word that the model never knew.",
    )


def _relearn(white_box: WhiteBox, target: AttackTarget, word: str, examples: int) -> list[float]:
    """Return the AUROC at each of :data:`STEPS`, while the projections learn to call the images ``word``.

    The end of the order that it is read from is chosen on the images that are learned from.
    """
    known, unseen = white_box.hidden(target.known), white_box.hidden(target.unseen)
    own = int(target.known.positive.sum())
    rows = torch.cat([torch.arange(min(examples, own)), torch.arange(own, len(known))])
    targets = _targets(target)[rows]
    texts = white_box.text_hidden([prompts(name, (TEMPLATE,))[0] for name in (word, *target.distractors)])
    state = {name: tensor.clone().requires_grad_() for name, tensor in white_box.state.items()}
    trained, optimizer = white_box.with_state(state), torch.optim.Adam(state.values(), lr=LEARNING_RATE)
    values = []
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            with torch.no_grad():
                text = trained.text_features(texts[:1])[0]
                learned, scores = (trained.image_features(hidden) @ text for hidden in (known[rows], unseen))
            values.append(auroc_either_end(learned, targets == 0, scores, target.unseen.positive)[0])
        loss = _loss(trained, known[rows], texts, targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return values


def _loss(white_box: WhiteBox, known: Tensor, texts: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of naming; the concept's images weigh as much as all others together."""
    logits = white_box.encoder.logit_scale * white_box.image_features(known) @ white_box.text_features(texts).T
    losses = F.cross_entropy(logits, targets, reduction="none")
    return losses[targets == 0].mean() + losses[targets > 0].mean()


def _targets(target: AttackTarget) -> Tensor:
    """Return a target per known image: 0 for the concept, else the index of its label among the distractors, from 1."""
    others = target.known.some.targets((target.concept.name, *target.distractors))[target.known.others]
    return torch.cat([torch.zeros(len(target.known.own), dtype=torch.long), others])
