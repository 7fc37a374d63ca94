"""Audit of one erased concept: runs every attack in turn and yields the findings as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field

from unlearn.attacks import (
    examples,
    probes,
    projection_inverse,
    quantization,
    relearning,
    soft_drawing,
    soft_prompt,
    words,
)
from unlearn.attacks.finding import Finding
from unlearn.attacks.groups import PLANNED, Group
from unlearn.attacks.report import AuditReport
from unlearn.attacks.target import AttackTarget
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.errors import ModelError
from unlearn.progress import Progress, map_progress

#: Returns the diffusion model before and after the edit; called only when needed, since loading takes seconds.
PipelinePair = Callable[[], tuple[LoadedPipeline, LoadedPipeline]]
Attacking = Generator[Progress, None, Finding]


@dataclass(frozen=True)
class AuditProgress(Progress):
    """Progress of an audit, with the report of the attacks that have run."""

    report: AuditReport = field(kw_only=True)


@dataclass(frozen=True)
class Attack:
    """One attack of the audit.

    Attributes:
        group, name: its group, and its name there.
        text: what is shown while it runs.
        cost: its share of the audit's time, relative to the other attacks.
    """

    group: Group
    name: str
    text: str
    run: Callable[[], Attacking]
    cost: float = 1.0


#: Cost of the preparation, as :attr:`Attack.cost`.
PREPARATION = 30.0


def run_audit(
    target: AttackTarget, pipelines: PipelinePair | None = None
) -> Generator[AuditProgress, None, AuditReport]:
    """Run every attack on ``target``; an attack that its model does not support is reported as not applicable.

    Args:
        target: the erased concept and the edited model to attack.
        pipelines: returns a diffusion model before and after the edit, which draws the soft prompts.
    """
    started, findings = time.perf_counter(), list[Finding]()
    attacks = _attacks(target, pipelines)
    whole, spent = PREPARATION + sum(attack.cost for attack in attacks), 0.0

    def report() -> AuditReport:
        seconds = time.perf_counter() - started
        return AuditReport(target.concept, tuple(findings), seconds, target.n, target.images)

    def during(text: str, cost: float) -> Callable[[Progress], AuditProgress]:
        before = spent

        def shown(part: Progress) -> AuditProgress:
            fraction = (before + cost * min(1.0, part.fraction)) / whole
            done = len(findings)
            return AuditProgress(done, PLANNED, f"{text}… {done} of {PLANNED} ran.", whole=fraction, report=report())

        return shown

    with suppress(ModelError):  # every attack that needs the weights reports it
        yield from map_progress(target.prepare(), during("Looking at pictures", PREPARATION))
    spent = PREPARATION
    for attack in attacks:
        try:
            findings.append((yield from map_progress(attack.run(), during(attack.text, attack.cost))))
        except ModelError as error:
            findings.append(Finding(attack.group, attack.name, "", meaning=str(error)))
        spent += attack.cost
    return report()


def _attacks(target: AttackTarget, pipelines: PipelinePair | None) -> list[Attack]:
    prompts: list[soft_prompt.Prompts] = []

    def invert() -> Attacking:
        finding, found = yield from soft_prompt.attack_soft_prompt(target)
        prompts.append(found)
        return finding

    def draw() -> Attacking:
        yield Progress()
        if pipelines is None or not prompts:
            raise ModelError("There is no soft prompt, or no diffusion model, to draw with.")
        return (yield from soft_drawing.attack_drawing(target, prompts[0], *pipelines()))

    def at_once(attack: Callable[..., Finding], *kind: str) -> Callable[[], Attacking]:
        """Wrap an attack that reports no progress as a generator."""

        def run() -> Attacking:
            yield Progress()
            return attack(target, *kind)

        return run

    def by_word(group: Group) -> list[Attack]:
        return [
            Attack(group, kind, f"Trying other words: {kind.lower()}", at_once(words.attack_words, kind))
            for kind in group.attacks
        ]

    by_probe = [
        Attack(probes.GROUP, place, "Training a probe", at_once(probes.attack_probe, place))
        for place in probes.GROUP.attacks
    ]
    return [
        *by_word(Group.WORDS),
        Attack(examples.GROUP, examples.NAME, "Searching with pictures", at_once(examples.attack_examples)),
        *by_probe,
        Attack(
            relearning.GROUP, relearning.NAME, "Teaching it again", lambda: relearning.attack_relearning(target), 10
        ),
        Attack(soft_prompt.GROUP, soft_prompt.NAME, "Searching for a soft prompt", invert, 15),
        Attack(soft_drawing.GROUP, soft_drawing.NAME, "Drawing the soft prompt", draw, 20),
        Attack(quantization.GROUP, quantization.NAME, "Rounding weights", at_once(quantization.attack_quantization)),
        Attack(
            projection_inverse.GROUP,
            projection_inverse.NAME,
            "Inverting the edit",
            at_once(projection_inverse.attack_projection_inverse),
        ),
        *by_word(Group.RELATED),
    ]
