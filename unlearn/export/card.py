"""Model cards of exported files, as a hub wants them: what was erased, what was measured, how to load each file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from unlearn.clip.models import CURATED
from unlearn.clip.sources import repository_of
from unlearn.export.record import Record

CARD = "README.md"
#: Last line of a card, by which a later erasure in the same folder knows that it may replace it.
MARK = "<!-- Written by unlearn-clip. Remove this line to keep your changes. -->"
#: Licences by their names on a hub, for the words of :data:`CURATED`.
LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause"}
#: Maximum number of concepts that a card names.
NAMED = 20
NO_PROOF = (
    "Not recognised is not gone. Anyone who has the weights and a few images can find the concept again, and an "
    "attack that fails (“held”) is no proof."
)


def write_card(
    folder: Path,
    record: Record,
    snippets: Mapping[str, str],
    *,
    library: str,
    findings: Sequence[Mapping[str, Any]] = (),
    drawn: Sequence[str] = (),
    base: str | None = None,
    recorded: str = "erasure.json",
) -> None:
    """Write the model card of an erasure to ``folder``.

    Args:
        folder: folder of the exported files.
        record: record of the erasure.
        snippets: code that uses each file, by what it does.
        library: library that loads the files, in a hub's words.
        findings: findings of an audit of the erasure, as JSON; none if it was not attacked.
        drawn: sentences about images that were drawn with the edit.
        base: repository of the pipeline that was edited; by default the record's CLIP was.
        recorded: name of the file that holds the record.
    """
    known = None if base else CURATED.get(record.model)
    licence = known.licence if known else ""
    data = ModelCardData(
        license=LICENCES.get(licence, "other"),
        license_name=None if licence in LICENCES else "licence-of-the-base-model",
        base_model=base or repository_of(record.model),
        library_name=library,
        pipeline_tag="text-to-image" if library == "diffusers" else "zero-shot-image-classification",
        language="en",
        tags=["clip", "machine-unlearning", "concept-erasure", record.method],
        model_name="erased" if record.metrics else None,
        eval_results=list(_results(record)) or None,
    )
    title = f"# {base or record.model} without "
    body = title + "\n".join(_lines(record, snippets, findings, drawn, recorded))
    ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n").save(folder / CARD)


def may_be_written(folder: Path) -> bool:
    """Return whether ``folder`` has no README.md of somebody's own."""
    path = folder / CARD
    return not path.exists() or MARK in path.read_text(encoding="utf-8", errors="replace")


def _results(record: Record) -> Iterator[EvalResult]:
    """Yield the accuracy before and after, on the forget and on the retain set."""
    for label, part, measured in _measured(record.metrics):
        yield EvalResult(
            task_type="zero-shot-image-classification",
            dataset_type=str(record.metrics["images"]),
            dataset_name=f"{record.metrics['images']}, {part} set, n = {measured['n']}",
            metric_type="accuracy",
            metric_name=f"top-1 {label} the edit, {part} set",
            metric_value=measured["top1"],
        )


def _measured(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for part in ("forget", "retain") if metrics else ():
        for label in ("before", "after"):
            if metrics[label][part]["n"]:
                yield label, part, metrics[label][part]


def _lines(
    record: Record,
    snippets: Mapping[str, str],
    findings: Sequence[Mapping[str, Any]],
    drawn: Sequence[str],
    recorded: str,
) -> Iterator[str]:
    names = [concept.name for concept in record.selection.forget]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    yield f"{_code(names[0])}{' and more' if names[1:] else ''}\n"
    yield (
        f"Concepts erased from {_code(record.model)} by {record.method}: {', '.join(map(_code, names[:NAMED]))}{more}. "
        f"Retain set: {len(record.selection.retain)} names. "
        f"`{recorded}` has all settings, versions and hashes.\n"
    )
    yield "## Measured\n"
    measured = {(label, part): values for label, part, values in _measured(record.metrics)}
    if measured:
        yield "| set | n | top-1 before, % | top-1 after, % |"
        yield "| --- | --- | --- | --- |"
        for part in ("forget", "retain"):
            if ("after", part) in measured:
                before, after = measured["before", part], measured["after", part]
                yield f"| {part} | {after['n']} | {before['top1']:.1%} | {after['top1']:.1%} |".replace("%", "")
        yield f"\nOn {_code(record.metrics['images'])}; seed {record.seed}.\n"
    yield from (f"- {_code(line)}\n" for line in drawn)
    if not measured and not drawn:
        yield "Nothing was measured.\n"
    yield "## Attacked\n"
    if findings:
        yield "| attack | verdict | before | after |"
        yield "| --- | --- | --- | --- |"
        for finding in findings:
            numbers = " | ".join(_number(finding[name]) for name in ("before", "after"))
            yield f"| {finding['name']} | {finding['verdict']} | {numbers} |"
        yield ""
    else:
        yield "Not yet: `unlearn-clip audit` runs every attack.\n"
    yield f"{NO_PROOF}\n"
    yield "## How to load\n"
    for what, code in snippets.items():
        yield f"### {what[0].upper()}{what[1:]}\n\n```python\n{code.rstrip()}\n```\n"
    yield "## Licence\n"
    yield "The weights keep the licence of the model that they were made from; the edit adds no restriction.\n"
    yield MARK


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _code(text: str) -> str:
    """Return ``text``, which may be anybody's, as code in Markdown."""
    return f"`{' '.join(text.split()).replace('`', 'ʼ')}`"
