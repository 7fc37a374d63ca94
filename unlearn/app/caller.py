"""Whose request is being answered: set around every handler, read where something is shared out by address."""

from __future__ import annotations

from contextvars import ContextVar

#: The address that pays, as :func:`unlearn.ui.server.addresses.payer` has it; "" where no request is being answered.
PAYER: ContextVar[str] = ContextVar("PAYER", default="")
