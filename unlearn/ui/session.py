"""What belongs to one visitor: small frozen values over the shared model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unlearn.erasers.ccup import Erasure
    from unlearn.gallery import Gallery

RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN = "vocabulary", "neighbours", "own list"
RETAIN_CHOICES = (RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN)


@dataclass(frozen=True)
class Session:
    """One visitor's choices. The weights are everybody's; an erasure is a few kilobytes beside them.

    Attributes:
        erasure: the CCUP edit in force, or None.
        picture: the picture looked at, as a collection of one, so that its embedding is remembered like a gallery's.
        uploads: the visitor's own labelled pictures.
        measured_on_uploads: whether accuracy and retrieval use ``uploads`` instead of the server's gallery.
    """

    erasure: Erasure | None = None
    picture: Gallery | None = None
    uploads: Gallery | None = None
    measured_on_uploads: bool = False

    @property
    def erased(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names if self.erasure else ()


@dataclass(frozen=True)
class ErasureRequest:
    """What the visitor asks CCUP for, as the screen or the API gives it: checked by the core, not here."""

    forget: Sequence[str] = ()
    strength: float = 1.0
    mode: str = "consistent"
    side: str = "image"
    retain: str = RETAIN_VOCABULARY
    own_retain: Sequence[str] = field(default_factory=tuple)
    lam: float = 100.0
    mu: float = 100.0
    synonyms: bool = True
