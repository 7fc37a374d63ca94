"""Edit files damaged on purpose, and opened as a visitor opens one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from unlearn.bench.faults.tally import OURS, FaultTally
from unlearn.bench.faults.target import Target, finite
from unlearn.bench.faults.wire import API, CallResult, Wire
from unlearn.bench.mutations import mutated_edits
from unlearn.errors import JobError


def attack(target: Target, tally: FaultTally, n: int) -> None:
    """Open ``n`` damaged files: the app refuses each with a sentence, or its edit gives valid results."""
    visitor = target.visitor()
    sound = exported(visitor)
    for what, content in mutated_edits(sound, seed=0, count=n):
        result = visitor.call("import", visitor.uploaded("edit.safetensors", content))
        tally.result(what, result, wrong=_false(visitor, result))
        target.look_at_log(tally, what)
    again = visitor.call("import", visitor.uploaded("edit.safetensors", sound))
    if again.state != "complete":
        tally.fault(f"afterwards the sound file → {again.state} {again.value}")


def exported(visitor: Wire) -> bytes:
    """Return the app's edit that erases “cat”.

    Raises:
        JobError: the app does not export it.
    """
    visitor.call("erase", ["cat"])
    made = visitor.call("export", "edit", "")
    if made.state != "complete":
        raise JobError(f"No edit was exported: {made.sentence}")
    return visitor.get(f"{API}/file={quote(made.value[0]['path'])}").body


def _false(visitor: Wire, result: CallResult) -> str:
    """Return an error if an opened edit does not give finite numbers, else ""."""
    if result.state != "complete":
        return ""
    for name, data in (("retrieve", ("a cat",)), ("zero_shot", (["cat", "dog"],)), ("link", ())):
        seen = visitor.call(name, *data)
        if seen.state != "complete":
            # The edit may leave nothing to find, or too many names for a link; the app says so in a sentence.
            if seen.state == "error" and seen.sentence and OURS not in seen.sentence:
                continue
            return f"opened, and then /{name}: {seen.state} {seen.value}"
        if not finite(seen.value) or (name == "zero_shot" and None in _leaves(seen.value)):
            return f"opened, and then /{name} answers in what is no number: {str(seen.value)[:300]}"
    return ""


def _leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for part in inner for leaf in _leaves(part)]
