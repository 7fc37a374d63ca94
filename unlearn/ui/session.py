"""What belongs to one visitor: small values over the model that all share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearn.erasers.ccup import Erasure
    from unlearn.gallery import Gallery
    from unlearn.ui.results import TradeOff

RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN = "vocabulary", "neighbours", "list"
RETAIN_CHOICES = (RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN)


@dataclass(frozen=True)
class ErasureRequest:
    """What the visitor asks CCUP for, as the screen or the API gives it: checked by the core, not here."""

    forget: Sequence[str] = ()
    strength: float = 1.0
    mode: str = "consistent"
    side: str = "image"
    retain: str = RETAIN_VOCABULARY
    own_retain: Sequence[str] = ()
    lam: float = 100.0
    mu: float = 100.0
    synonyms: bool = True


@dataclass(frozen=True)
class Session:
    """One visitor's choices. The weights are everybody's; an erasure is a few kilobytes beside them.

    Attributes:
        erasure: the CCUP edit in force, or None.
        picture: the picture looked at, as a collection of one, so that its embedding is remembered like a gallery's.
        uploads: the visitor's own labelled pictures.
        measures_uploads: whether accuracy and retrieval use ``uploads`` instead of the server's gallery.
        trade_off: the curves last measured, perhaps of an earlier erasure.
    """

    erasure: Erasure | None = None
    picture: Gallery | None = None
    uploads: Gallery | None = None
    measures_uploads: bool = False
    trade_off: TradeOff | None = None

    @property
    def erased(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names if self.erasure else ()


_changing = threading.Lock()


class Visitor:
    """Holds the current session of one visitor; this is what ``gr.State`` keeps.

    Two events of one page may run at once. Each changes the newest session, so that none takes back what the other did.
    """

    def __init__(self) -> None:
        self.session = Session()

    def change(self, **changes: Any) -> Session:
        """Replace fields of the session, and return it."""
        with _changing:
            self.session = replace(self.session, **changes)
            return self.session
