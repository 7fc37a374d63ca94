"""What belongs to one visitor: small values over the model that all share."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from unlearn.app.edits import Audited, Edits, FineTuned, TradeOff
from unlearn.concepts.selection import unite
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.erasers.variants import CCUP

if TYPE_CHECKING:
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure

RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN = "vocabulary", "neighbours", "list"
RETAIN_CHOICES = (RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN)
SEARCH_GALLERY, SEARCH_INDEX = "gallery", "index"
#: What a visitor's key looks like: 128 bits that nobody can guess.
KEY = re.compile("[0-9a-f]{32}", re.ASCII)
NOTHING_ERASED = "Nothing is erased yet; name at least one concept, such as “cat”."


@dataclass(frozen=True)
class ErasureRequest:
    """What the visitor asks CCUP for, as the screen or the API gives it: checked by the core, not here."""

    forget: Sequence[str] = ()
    strength: float = CCUPSettings.strength
    form: str = CCUPSettings.form
    side: str = CCUPSettings.side
    retain: str = RETAIN_VOCABULARY
    own_retain: Sequence[str] = ()
    lam: float = CCUPSettings.lam
    mu: float = CCUPSettings.mu
    synonyms: bool = CCUPSettings.synonyms


@dataclass(frozen=True)
class FineTuneRequest:
    """What the visitor asks CLIPErase for; ``None`` leaves a number to what suits the weights that train."""

    forget: Sequence[str] = ()
    steps: int | None = None
    learning_rate: float | None = None
    trainable: str = CLIPEraseSettings.trainable
    forgetting: str = CLIPEraseSettings.forgetting
    seed: int = CLIPEraseSettings.seed


@dataclass(frozen=True)
class DrawRequest:
    """What the visitor asks a diffusion pipeline for; ``None`` leaves a number to what the pipeline draws well with.

    Attributes:
        edit: which edit draws "after": "CCUP", "CLIPErase", or "" for all that are in force.
        way: how CCUP reaches the pipeline, see :mod:`unlearn.erasers.token_states`.
        judge: whether a batch of prompts is drawn and judged, instead of ``prompt``.
    """

    prompt: str
    pipeline: str = "pocket"
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    count: int = 4
    edit: str = ""
    carry_method: str = "ridge"
    judge: bool = False


@dataclass(frozen=True)
class Session:
    """One visitor's choices. The weights are everybody's; an erasure is a few kilobytes beside them.

    Attributes:
        model: the model, as :class:`unlearn.clip.models.Models` knows it; "" is the one the app started with.
        vocabulary: the words in use, or None for the app's.
        erasure: the CCUP edit in force, or None.
        request: what was asked for to get ``erasure``; None where nothing was, or it came from a file.
        picture: the picture looked at, as a collection of one, so that its embedding is remembered like a gallery's.
        uploads: the visitor's own labelled pictures; CLIPErase may train on those of their training split only.
        measures_uploads: whether accuracy and retrieval use ``uploads`` instead of the server's gallery.
        trade_off: the curves last measured, perhaps of an earlier erasure or model.
        fine_tuned: what CLIPErase came to, or None.
        audited: what the last audit found, perhaps of an earlier edit.
    """

    model: str = ""
    vocabulary: Vocabulary | None = None
    erasure: Erasure[CCUPSettings] | None = None
    request: ErasureRequest | None = None
    fine_tuned: FineTuned | None = None
    picture: Gallery | None = None
    uploads: Gallery | None = None
    measures_uploads: bool = False
    trade_off: TradeOff | None = None
    audited: Audited | None = None

    @property
    def edits(self) -> Edits:
        """What tells this session's edits from those that were in force before."""
        erasure = self.erasure
        asked = (erasure.selection, erasure.settings) if erasure else None
        return Edits(self.model, self.vocabulary, asked, self.fine_tuned)

    @property
    def own_pictures(self) -> Gallery | None:
        """The visitor's pictures, where these are measured on."""
        return self.uploads if self.measures_uploads else None

    def only(self, variant: str) -> Session:
        """The same with one edit alone, CCUP's or CLIPErase's; with "" there are both."""
        if not variant:
            return self
        return replace(self, fine_tuned=None) if variant == CCUP else replace(self, erasure=None)

    @property
    def erased(self) -> tuple[str, ...]:
        """What any edit in force is to erase."""
        return self.selection.forget_names

    @property
    def selection(self) -> Selection:
        """What the edits in force forget, CCUP's first, and what they retain; nothing without an edit."""
        tuned = self.fine_tuned.erasure if self.fine_tuned else None
        return unite(edit.selection for edit in (self.erasure, tuned) if edit)


#: The address that pays for the request being answered, as :func:`unlearn.ui.server.addresses.payer` has it: set around
#: every handler, read where something is shared out by address; "" where no request is being answered.
PAYER: ContextVar[str] = ContextVar("PAYER", default="")
_changing = threading.Lock()
_living: WeakSet[Visitor] = WeakSet()


class Visitor:
    """Holds the current session of one visitor; this is what ``gr.State`` keeps.

    Two events of one page may run at once. Each changes the newest session, so that none takes back what the other did.

    Attributes:
        session: the choices now.
        key: whose background run is whose; a page that is reloaded gets its old key back.
        left: since when the page is known to be closed, by the clock of the visits; None while it is open.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.key = secrets.token_hex(16)
        self.left: float | None = None
        _living.add(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Visitor:
        """Gradio copies the initial value for everybody who comes: a visitor's copy is another visitor."""
        return Visitor()

    def take_key(self, key: Any) -> None:
        """Go by ``key`` from now on, if it is one that was given out: anything may stand in a browser's memory."""
        if isinstance(key, str) and KEY.fullmatch(key):
            self.key = key

    @property
    def job_keys(self) -> dict[str, str]:
        """The keys of the visitor's jobs, by the kind of run: a visitor may draw while CLIPErase waits."""
        return {"cliperase": self.key} | {what: f"{self.key}/{what}" for what in ("drawing", "audit", "comparison")}

    @property
    def is_last(self) -> bool:
        """Whether no other page of the same key is open."""
        return not any(other.key == self.key for other in _living if other is not self)

    def change(self, *, since: Session | None = None, **changes: Any) -> Session:
        """Replace fields of the session, and return it.

        What was computed for the model and the words of ``since`` does not fit others: if they have been exchanged
        meanwhile, nothing is replaced. A request goes with the erasure it was for.
        """
        if "erasure" in changes:
            changes = {"request": None} | changes
        with _changing:
            now = self.session
            if since is None or (since.model, since.vocabulary) == (now.model, now.vocabulary):
                self.session = replace(now, **changes)
            return self.session
