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
from unlearn.erasers.variants import CCUP, CLIPERASE
from unlearn.options import option, same_option

if TYPE_CHECKING:
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure

RETAIN_VOCABULARY, RETAIN_NEIGHBOURS, RETAIN_OWN = "vocabulary", "neighbours", "list"
SEARCH_GALLERY, SEARCH_INDEX = "gallery", "index"
#: What a visitor's key looks like: 128 bits that nobody can guess.
KEY = re.compile("[0-9a-f]{32}", re.ASCII)
NOTHING_ERASED = "Nothing is erased yet; name at least one concept, such as “cat”."


@dataclass(frozen=True)
class ErasureRequest:
    """What the visitor asks CCUP for, as the screen or the API gives it: checked by the core, not here."""

    forget: Sequence[str] = option((), "Erase", "concepts to erase, any words")
    strength: float = same_option(CCUPSettings, "strength")
    form: str = same_option(CCUPSettings, "form")
    side: str = same_option(CCUPSettings, "side")
    retain: str = option(
        RETAIN_VOCABULARY,
        "Protected concepts",
        "retain set: the rest of the vocabulary, the nearest neighbours, or own_retain",
        choices={
            RETAIN_VOCABULARY: "Rest of the vocabulary",
            RETAIN_NEIGHBOURS: "Nearest neighbours",
            RETAIN_OWN: "My list",
        },
    )
    own_retain: Sequence[str] = option((), "My list", "the list of retained concepts, where retain is “list”")
    lam: float = same_option(CCUPSettings, "lam")
    mu: float = same_option(CCUPSettings, "mu")
    synonyms: bool = same_option(CCUPSettings, "synonyms")


@dataclass(frozen=True)
class FineTuneRequest:
    """What the visitor asks CLIPErase for; ``None`` leaves a number to what suits the weights that train."""

    forget: Sequence[str] = option((), "Erase", "concepts to erase, of which there are images to learn from")
    steps: int | None = same_option(CLIPEraseSettings, "steps", default=None)
    learning_rate: float | None = same_option(CLIPEraseSettings, "learning_rate", default=None)
    trainable: str = same_option(CLIPEraseSettings, "trainable")
    forgetting: str = same_option(CLIPEraseSettings, "forgetting")
    seed: int = same_option(CLIPEraseSettings, "seed")


@dataclass(frozen=True)
class DrawRequest:
    """What the visitor asks a diffusion pipeline for; ``None`` leaves a number to what the pipeline draws well with."""

    prompt: str = option("", "Prompt", "what to draw")
    pipeline: str = option(
        "pocket",
        "Diffusion model",
        "diffusion model that draws",
        choices={
            "pocket": "pocket (64 px, in seconds)",
            "stable-diffusion-v1-5": "Stable Diffusion 1.5",
            "stable-diffusion-2-1": "Stable Diffusion 2.1",
            "stable-diffusion-xl": "Stable Diffusion XL",
            "sd-turbo": "SD Turbo (few steps)",
        },
    )
    seed: int = option(
        0, "Seed of the first picture", "seed of the first image; the next one takes the next", largest=2**32 - 1
    )
    count: int = option(4, "Pictures", "number of images", lowest=1, largest=8, step=1)
    steps: int | None = option(None, "Steps", "steps of a drawing", lowest=1, largest=150)
    guidance: float | None = option(None, "Guidance", "guidance towards the prompt", largest=30)
    edit: str = option(
        "",
        "Drawn after",
        "edit that draws “after”; empty for all that are active",
        choices={"": "All active edits", CCUP: "CCUP alone", CLIPERASE: "CLIPErase alone"},
    )
    carry_method: str = option(
        "ridge",
        "How CCUP reaches the diffusion model",
        "how CCUP reaches the diffusion model: solved on the token states, or pulled back from the joint space",
        choices={"ridge": "Solved on the token states", "pull_back": "Pulled back from the joint space"},
    )
    judge: bool = option(False, "Judge a batch", "draw and judge a batch instead of the prompt")


@dataclass(frozen=True)
class Session:
    """One visitor's choices. The weights are everybody's; an erasure is a few kilobytes beside them.

    Attributes:
        model: the model, as :class:`unlearn.clip.models.Models` knows it; "" is the one the app started with.
        vocabulary: the words in use, or None for the app's.
        erasure: the CCUP active edit, or None.
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
        """What tells this session's edits from those that were active before."""
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
        """What any active edit is to erase."""
        return self.selection.forget_names

    @property
    def selection(self) -> Selection:
        """What the active edits forget, CCUP's first, and what they retain; nothing without an edit."""
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
