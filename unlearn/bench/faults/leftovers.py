"""Files left behind by a process that was ended, and whether the next process serves them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import quote

from unlearn.bench.faults import images
from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import BYSTANDER, Target, attacked
from unlearn.bench.faults.wire import API


def attack(tally: FaultTally, signal: str) -> None:
    """End a process that made files for a visitor by ``signal``, "terminate" or "kill", and check the next process."""
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        folder = Path(work)
        with attacked(folder=folder) as target:
            paths = _files(target)
            for path in paths:
                answer = target.visitor().get(f"{API}/file={quote(path)}")
                if answer.status != 200:
                    tally.fault(f"{path} is not served while its visitor is there: {answer.status}")
            getattr(target.process, signal)()
            target.process.wait(30)
            target.look_at_log(tally, signal)
        left = _files_in(folder)
        if signal == "terminate" and left:
            tally.fault(f"SIGTERM left {len(left)} files, {left[0].name} among them")
        with attacked(folder=folder) as target:
            for path in paths:
                answer = target.visitor(BYSTANDER).get(f"{API}/file={quote(path)}")
                tally.answer(f"{signal}, and the next process asked for {Path(path).name}", answer, forbidden=True)
            target.visitor().call("link", [])  # loads everything
            if old := [path for path in left if path.exists()]:
                tally.fault(f"after {signal} the next process left {len(old)} files, {old[0].name} among them")
            target.look_at_log(tally, f"the start after {signal}")


def _files(target: Target) -> list[str]:
    """Return the paths of an upload and an export, as the app names them."""
    visitor = target.visitor()
    upload = visitor.uploaded("own.png", images.drawn("PNG"))
    visitor.call("erase", ["cat"])
    visitor.call("zero_shot", ["cat", "dog"], upload, [])
    made = visitor.call("export", "record", "")
    return [path for path in (upload["path"], made.value[0]["path"] if made.state == "complete" else "") if path]


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
