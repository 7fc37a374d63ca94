"""Audit of one erased concept: runs every attack in turn and yields the findings as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass

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
from unlearn.attacks.finding import Finding, Report
from unlearn.attacks.groups import Group
from unlearn.attacks.target import AttackTarget
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.errors import ModelError
from unlearn.jobs import Progress, map_progress

#: Returns the diffusion model before and after the edit; called only when needed, since loading takes seconds.
PipelinePair = Callable[[], tuple[LoadedPipeline, LoadedPipeline]]
Attacking = Generator[Progress, None, Finding]


@dataclass(frozen=True)
class AuditProgress(Progress):
    """Progress of an audit, with the findings so far."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Attack:
    """One attack of the audit, and the progress text that is shown while it runs."""

    group: Group
    name: str
    text: str
    run: Callable[[], Attacking]


def run_audit(target: AttackTarget, pipelines: PipelinePair | None = None) -> Generator[AuditProgress, None, Report]:
    """Run every attack on ``target``; an attack that its model does not support is reported as not applicable.

    Args:
        target: the erased concept and the edited model to attack.
        pipelines: returns a diffusion model before and after the edit, which draws the soft prompts.
    """
    started, findings = time.perf_counter(), list[Finding]()

    def during(text: str) -> Callable[[Progress], AuditProgress]:
        return lambda part: AuditProgress(part.done, part.total, f"{text}…", tuple(findings))

    with suppress(ModelError):  # every attack that needs the weights reports it
        yield from map_progress(target.prepare(), during("Looking at pictures"))
    for attack in _attacks(target, pipelines):
        try:
            findings.append((yield from map_progress(attack.run(), during(attack.text))))
        except ModelError as error:
            findings.append(Finding(attack.group, attack.name, "", meaning=str(error)))
    return Report(target.concept, tuple(findings), time.perf_counter() - started, len(target.unseen.own))


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

    by_words = [
        Attack(words.GROUP, kind, "Trying other words", at_once(words.attack_words, kind)) for kind in words.KINDS
    ]
    by_probe = [
        Attack(probes.GROUP, place, "Training a probe", at_once(probes.attack_probe, place)) for place in probes.PLACES
    ]
    return [
        *by_words,
        Attack(examples.GROUP, examples.NAME, "Searching with pictures", at_once(examples.attack_examples)),
        *by_probe,
        Attack(relearning.GROUP, relearning.NAME, "Teaching it again", lambda: relearning.attack_relearning(target)),
        Attack(soft_prompt.GROUP, soft_prompt.NAME, "Searching for a soft prompt", invert),
        Attack(soft_drawing.GROUP, soft_drawing.NAME, "Drawing the soft prompt", draw),
        Attack(quantization.GROUP, quantization.NAME, "Rounding weights", at_once(quantization.attack_quantization)),
        Attack(
            projection_inverse.GROUP,
            projection_inverse.NAME,
            "Inverting the edit",
            at_once(projection_inverse.attack_projection_inverse),
        ),
    ]
