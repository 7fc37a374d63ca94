"""The state of a run on disk; a resumed run gives the same result as one that was never interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from unlearn.errors import ErasureFileError
from unlearn.files.schemas import RefusedError, Schema, Sha256, TensorFile, check
from unlearn.files.writing import whole_file

WEIGHT, MOMENTS = "weight", ("exp_avg", "exp_avg_sq")
KINDS = (WEIGHT, *MOMENTS)


class _Metadata(Schema):
    """Metadata of a checkpoint file."""

    run: Sha256
    step: Annotated[str, Field(pattern=r"^[0-9]{1,6}\z")]


def _key(kind: str, name: str) -> str:
    return f"{kind}/{name}"


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights, Adam's moments and their step number in one safetensors file.

    ``run`` is a fingerprint of everything that the run depends on; a file of another run is rejected.
    """

    path: Path
    run: str

    @classmethod
    def of_run(cls, path: Path, **what: Any) -> Checkpoint:
        """Return the checkpoint at ``path`` of the run that ``what`` describes (values that JSON can hold)."""
        return cls(path, hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest())

    def restore(self, parameters: Mapping[str, Tensor], optimizer: torch.optim.Adam) -> int:
        """Load the saved state into ``parameters`` and ``optimizer``; returns its step, or 0 if there is no file.

        Raises:
            ErasureFileError: the file cannot be read or belongs to another run.
        """
        if not self.path.exists():
            return 0
        try:
            file = TensorFile.open(self.path)
            about = check(_Metadata, file.metadata)
            if about.run != self.run:
                raise ErasureFileError(
                    f"The checkpoint “{self.path}” is of a run with other concepts, settings or weights; "
                    "name another file, or remove it to start from the first step."
                )
            expected = {_key(kind, name): tuple(p.shape) for name, p in parameters.items() for kind in KINDS}
            if file.shapes != expected:
                raise RefusedError("it holds other weights than those that train")
            state = file.load()
            if any((state[_key("exp_avg_sq", name)] < 0).any() for name in parameters):
                raise RefusedError("it holds a square below zero")
        except RefusedError as error:
            raise ErasureFileError(
                f"The checkpoint “{self.path}” cannot be read: {error}. Remove it to start from the first step."
            ) from error
        step = int(about.step)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(state[_key(WEIGHT, name)])
                moments = {moment: state[_key(moment, name)].to(parameter.device) for moment in MOMENTS}
                optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
        return step

    def write(self, step: int, parameters: Mapping[str, Tensor], optimizer: torch.optim.Adam) -> None:
        """Save the state after ``step``; a crash while writing leaves the previous file intact."""
        tensors = {_key(WEIGHT, name): parameter.detach() for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            tensors |= {_key(moment, name): optimizer.state[parameter][moment] for moment in MOMENTS}
        metadata = {"run": self.run, "step": str(step)}
        with whole_file(self.path) as unfinished:
            save_file({key: t.cpu().contiguous() for key, t in tensors.items()}, unfinished, metadata)
