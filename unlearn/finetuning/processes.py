"""Several processes that train one model: each embeds its share of a batch, all see the whole batch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process among those started together, by ``accelerate launch`` say; alone, nothing is exchanged."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls, device: torch.device) -> Processes:
        """The processes that the environment tells of; joins them on first use."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=device.type == "cpu")
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, n: int) -> Tensor:
        """The rows of a batch of ``n`` that this process embeds."""
        return torch.arange(self.rank, n, self.count)

    def together(self, mine: Tensor, rows: Tensor, n: int) -> Tensor:
        """All ``n`` rows, of which this process computed ``rows``; only those carry a gradient here."""
        if self.count == 1:
            return mine
        rows = rows.to(mine.device)
        whole = mine.detach().new_zeros(n, *mine.shape[1:]).index_copy(0, rows, mine.detach())
        torch.distributed.all_reduce(whole)
        return whole.index_copy(0, rows, mine)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Make every process's gradients the sum of all: each holds the part that went through its own rows."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is None:  # no row of a short batch came here
                    parameter.grad = torch.zeros_like(parameter)
                torch.distributed.all_reduce(parameter.grad)
