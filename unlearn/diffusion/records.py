"""Records of generated images for programs and on disk: images, detections in them, and the edit for other tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import Tensor

from unlearn.concepts.selection import load_vocabulary
from unlearn.diffusion.apply_edits import EditedPipeline, apply_to_pipeline, baked_attention
from unlearn.diffusion.conditioning import StateMap
from unlearn.erasers.token_gate import GatedMap
from unlearn.evaluation.generation import Detection, look, named_in
from unlearn.evaluation.judge import load_judge
from unlearn.export.card import CARD, may_be_written, write_card
from unlearn.export.snippets import snippet
from unlearn.files.assets import SHIPPED
from unlearn.files.writing import files_in, listed_in, sha256_of, whole_folder

if TYPE_CHECKING:
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.diffusion.drawing import Pair
    from unlearn.diffusion.pipelines import LoadedPipeline, PipelineSpec
    from unlearn.erasers.erasure import AnyErasure
    from unlearn.export.record import Record

RECORD, ATTENTION, GATE = "generation.json", "cross_attention.safetensors", "token_gate.safetensors"
#: Script of each file's code, and its constant that names the file.
_EXAMPLES = {GATE: ("gated_pipeline", "GATE"), ATTENTION: ("diffusers_pipeline", "ATTENTION")}
Detections = tuple[tuple[Detection, ...], tuple[Detection, ...]]


def apply_erasure_to_pipeline(
    loaded: LoadedPipeline, encoder: OpenClipEncoder, erasure: AnyErasure, *, carry_method: str = "gated"
) -> EditedPipeline:
    """Return ``loaded`` with an erasure of any method. A baseline cannot be solved again, so it is pulled back.

    Raises:
        ModelError: the erasure cannot be carried to the pipeline; the message says why.
    """
    tuned = erasure.fine_tuned(encoder) if erasure.tuned else None
    if erasure.method == "baseline":
        carry_method = "pull_back"
    return apply_to_pipeline(loaded, encoder, closed_form=erasure.closed_form, tuned=tuned, carry_method=carry_method)


def judged(pair: Pair, erased: Sequence[str], original: OpenClipEncoder) -> Detections:
    """Return detections before and after the edit, of the erased concepts and of other concepts in the prompt."""
    named = named_in(pair.drawing.prompt, load_vocabulary().names)
    concepts = tuple(dict.fromkeys((*erased, *named)))
    before, after = (look(images, concepts, original, load_judge()) for images in (pair.before, pair.after))
    return before, after


def report(pair: Pair, edited_pipeline: EditedPipeline, detections: Detections) -> dict[str, Any]:
    """Return the record of a pair, as JSON."""
    before, after = detections
    return {
        "pipeline": edited_pipeline.loaded.name,
        "drawing": asdict(pair.drawing),
        "seeds": list(range(pair.drawing.seed, pair.drawing.seed + pair.drawing.count)),
        "notices": [*edited_pipeline.notices, *pair.notices],
        "seen": {
            first.concept: {
                "before": first.seen,
                "after": second.seen,
                "clip_score_before": first.clip_score,
                "clip_score_after": second.clip_score,
            }
            for first, second in zip(before, after, strict=True)
        },
    }


def counts(detections: Detections) -> list[str]:
    """Return a line for each concept that the judge knows: in how many images it detects it."""
    return [
        f"{before.concept}: seen by the judge in {sum(before.seen)} of {len(before.seen)} before, "
        f"{sum(after.seen)} after"
        for before, after in zip(*detections, strict=True)
        if before.seen is not None and after.seen is not None
    ]


def code_of(known: PipelineSpec, file: str | Path, prompt: str) -> str:
    """Return code that uses ``file``, an exported edit under its own name, in a stock pipeline."""
    example, constant = _EXAMPLES[Path(file).name]
    where = str(Path(known.source).relative_to(SHIPPED)) if Path(known.source).is_dir() else known.source
    return snippet(example, PIPELINE=where, PROMPT=prompt, **{constant: str(file)})


def save_pair(
    folder: Path,
    pair: Pair,
    edited_pipeline: EditedPipeline,
    detections: Detections,
    erasure: Record,
    *,
    export: bool = False,
) -> dict[str, Any]:
    """Write ``before_I.png``, ``after_I.png`` and ``generation.json``; with ``export`` also the edit and its card."""
    file, save = (GATE, save_gate) if edited_pipeline.is_gated else (ATTENTION, save_attention)
    own_card = [CARD] if may_be_written(folder) else []
    with whole_folder(folder, last=RECORD, replaces=[*listed_in(folder / RECORD), *own_card]) as new:
        for side, images in (("before", pair.before), ("after", pair.after)):
            for index, image in enumerate(images):
                image.save(new / f"{side}_{index}.png")
        if export:
            save(new / file, edited_pipeline)
        hashes = {name: sha256_of(new / name) for name in files_in(new)}
        record = report(pair, edited_pipeline, detections) | {"erasure": erasure.to_json(), "sha256": hashes}
        (new / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if export and own_card:
            known, prompt = edited_pipeline.loaded.known, pair.drawing.prompt
            write_card(
                new,
                replace(erasure, metrics={}),
                {"the edit in a stock pipeline": code_of(known, Path(folder.name, file), prompt)},
                library="diffusers",
                drawn=[f"{prompt}: {line}" for line in counts(detections)],
                base=known.source if known.revision else None,
                recorded=RECORD,
            )
    return record


def save_attention(path: Path, edited_pipeline: EditedPipeline) -> None:
    """Write the cross-attention weights with the edit merged in, for ``unet.load_state_dict(…, strict=False)``."""
    save_file({key: tensor.contiguous() for key, tensor in baked_attention(edited_pipeline).items()}, path)


def save_gate(path: Path, edited_pipeline: EditedPipeline) -> None:
    """Write the gated maps, which ``examples/gated_pipeline.py`` puts into a stock pipeline.

    Each map is five tensors: ``change`` = strength · (H − I), and ``mean``, ``readers``, ``low`` and ``high`` of its
    gate. The metadata lists the maps: the pipeline's text encoder, what it reads, and the prefix of the map's tensors.
    """
    tensors, entries = dict[str, Tensor](), list[dict[str, str]]()
    layers = [text_encoder.layer for text_encoder in edited_pipeline.loaded.text_encoders]
    found: list[tuple[int, str, StateMap | None]]
    found = [(i, str(layers[i]), token_map) for i, token_map in enumerate(edited_pipeline.maps)]
    found += [(i, "pooled", token_map) for i, token_map in enumerate(edited_pipeline.pooled)]
    for position, reads, token_map in found:
        if not isinstance(token_map, GatedMap):
            continue
        prefix, gate, linear = f"{len(entries)}.", token_map.gate, token_map.token_map
        entries.append({"encoder": "text_encoder" + ("_2" if position else ""), "reads": reads, "prefix": prefix})
        parts = {"change": linear.strength * linear.change, "mean": gate.mean, "readers": gate.readers}
        parts |= {"low": gate.low, "high": gate.high}
        tensors |= {prefix + name: tensor.contiguous() for name, tensor in parts.items()}
    save_file(tensors, path, {"unlearn": json.dumps(entries)})
