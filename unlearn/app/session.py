"""State of one visitor: small values on top of the models that all visitors share."""

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
#: Form of a visitor's key: 128 random bits.
KEY = re.compile("[0-9a-f]{32}", re.ASCII)
NOTHING_ERASED = "Nothing is erased yet; name at least one concept, such as “cat”."


@dataclass(frozen=True)
class ErasureRequest:
    """A visitor's request for CCUP, as the screen or the API sends it; the core checks it."""

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
    """A visitor's request for CLIPErase; ``None`` leaves a number automatic, chosen by which weights train."""

    forget: Sequence[str] = option((), "Erase", "concepts to erase, of which there are images to learn from")
    steps: int | None = same_option(CLIPEraseSettings, "steps", default=None)
    learning_rate: float | None = same_option(CLIPEraseSettings, "learning_rate", default=None)
    trainable: str = same_option(CLIPEraseSettings, "trainable")
    forgetting: str = same_option(CLIPEraseSettings, "forgetting")
    seed: int = same_option(CLIPEraseSettings, "seed")


@dataclass(frozen=True)
class DrawRequest:
    """A visitor's request for a diffusion pipeline; ``None`` leaves a number to the pipeline's default."""

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
    """One visitor's choices. The weights are shared by all visitors; an erasure adds a few kilobytes.

    Attributes:
        model: the model's name, in the form of :class:`unlearn.clip.models.Models`; "" is the app's own.
        vocabulary: the active words, or None for the app's.
        erasure: the active CCUP edit, or None.
        request: the request behind ``erasure``; None without an erasure, or if it came from a file.
        image: the chosen image, as a gallery of one, so that its embedding is cached like a gallery's.
        uploads: the visitor's own labelled images; CLIPErase may train on those of their training split only.
        measures_uploads: whether accuracy and retrieval use ``uploads`` instead of the server's gallery.
        trade_off: the last measured curves, perhaps of an earlier erasure or model.
        fine_tuned: the result of CLIPErase, or None.
        audited: the result of the last audit, perhaps of an earlier edit.
    """

    model: str = ""
    vocabulary: Vocabulary | None = None
    erasure: Erasure[CCUPSettings] | None = None
    request: ErasureRequest | None = None
    fine_tuned: FineTuned | None = None
    image: Gallery | None = None
    uploads: Gallery | None = None
    measures_uploads: bool = False
    trade_off: TradeOff | None = None
    audited: Audited | None = None

    @property
    def edits(self) -> Edits:
        """The value by which results are matched to the active edits; it changes with every edit."""
        erasure = self.erasure
        asked = (erasure.selection, erasure.settings) if erasure else None
        return Edits(self.model, self.vocabulary, asked, self.fine_tuned)

    @property
    def own_images(self) -> Gallery | None:
        """The visitor's images, if measurements use them."""
        return self.uploads if self.measures_uploads else None

    def only(self, variant: str) -> Session:
        """Return the session with one edit alone, CCUP's or CLIPErase's; "" keeps both."""
        if not variant:
            return self
        return replace(self, fine_tuned=None) if variant == CCUP else replace(self, erasure=None)

    @property
    def erased(self) -> tuple[str, ...]:
        """The concepts that the active edits erase."""
        return self.selection.forget_names

    @property
    def selection(self) -> Selection:
        """The concepts that the active edits forget, CCUP's first, and those they retain; empty without an edit."""
        tuned = self.fine_tuned.erasure if self.fine_tuned else None
        return unite(edit.selection for edit in (self.erasure, tuned) if edit)


#: The address charged for the current request, from :func:`unlearn.ui.server.addresses.payer`. It is set around every
#: handler and read where a resource is shared by address; "" outside of a request.
PAYER: ContextVar[str] = ContextVar("PAYER", default="")
_changing = threading.Lock()
_living: WeakSet[Visitor] = WeakSet()


class Visitor:
    """Holder of one visitor's current session; ``gr.State`` stores it.

    Two events of one page may run at once. Each changes the newest session, so that neither undoes the other's change.

    Attributes:
        session: the current choices.
        key: the owner of background runs; a page that is reloaded gets its old key back.
        left: the time at which the page was closed, on the clock of the visits; None while it is open.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.key = secrets.token_hex(16)
        self.left: float | None = None
        _living.add(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Visitor:
        """Return a new visitor: gradio copies the initial value for every page that is opened."""
        return Visitor()

    def take_key(self, key: Any) -> None:
        """Take over ``key`` if it has the form of a visitor's key: a browser's storage may hold anything."""
        if isinstance(key, str) and KEY.fullmatch(key):
            self.key = key

    @property
    def job_keys(self) -> dict[str, str]:
        """The keys of the visitor's jobs, by the kind of run: a visitor may draw while CLIPErase is queued."""
        return {"cliperase": self.key} | {what: f"{self.key}/{what}" for what in ("drawing", "audit", "comparison")}

    @property
    def is_last(self) -> bool:
        """True if no other page with the same key is open."""
        return not any(other.key == self.key for other in _living if other is not self)

    def change(self, *, since: Session | None = None, **changes: Any) -> Session:
        """Replace fields of the session, and return the session.

        Results computed for the model and vocabulary of ``since`` do not fit others: if either has changed in the
        meantime, the session stays unchanged. Replacing the erasure also replaces its request, by default with None.
        """
        if "erasure" in changes:
            changes = {"request": None} | changes
        with _changing:
            now = self.session
            if since is None or (since.model, since.vocabulary) == (now.model, now.vocabulary):
                self.session = replace(now, **changes)
            return self.session
