"""Training in several processes: each embeds its share of a batch and gets the embeddings of the whole batch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from accelerate import PartialState
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """The rank of this process and the number of processes, started for example by ``accelerate launch``.

    A single process exchanges nothing.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls, device: torch.device) -> Processes:
        """Return the processes that environment variables describe; the first call joins their group."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        state = PartialState(cpu=device.type == "cpu")
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """True for the one process that prints and writes files."""
        return self.rank == 0

    def share(self, n: int) -> Tensor:
        """Return the indices of the rows of a batch of ``n`` that this process embeds."""
        return torch.arange(self.rank, n, self.count)

    def together(self, mine: Tensor, rows: Tensor, n: int) -> Tensor:
        """Gather all ``n`` rows, of which this process computed ``rows``; only these have a gradient here."""
        if self.count == 1:
            return mine
        rows = rows.to(mine.device)
        whole = mine.detach().new_zeros(n, *mine.shape[1:]).index_copy(0, rows, mine.detach())
        torch.distributed.all_reduce(whole)
        return whole.index_copy(0, rows, mine)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Sum the gradients over all processes, because each process has only the gradient through its own rows."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is None:  # this process got no row of a short batch
                    parameter.grad = torch.zeros_like(parameter)
                torch.distributed.all_reduce(parameter.grad)
