"""Random text embeddings for tests of the mathematics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def unit_columns(generator: torch.Generator, d: int, m: int, *, cone: float = 0.0) -> Tensor:
    """m random unit columns in d dimensions; ``cone`` adds a shared mean, as CLIP's text embeddings have."""
    columns = torch.randn(d, m, generator=generator, dtype=torch.float64)
    shared = torch.randn(d, 1, generator=generator, dtype=torch.float64)
    return F.normalize(F.normalize(columns, dim=0) + cone * F.normalize(shared, dim=0), dim=0)
