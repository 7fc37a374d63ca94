"""State of one visitor: small values on top of the models that all visitors share."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import Audited, Edits, FineTuned, TradeOff
from unlearn.concepts.selection import unite
from unlearn.erasers.variants import CCUP, CLIPERASE

if TYPE_CHECKING:
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.settings import CCUPSettings

#: Images that measurements use: the server's gallery with the visitor's own, or one of them alone.
TOGETHER, GALLERY_ALONE, OWN_ALONE = "together", "gallery", "own"
MEASURED_ON = {
    TOGETHER: "The gallery and my pictures",
    GALLERY_ALONE: "The app's gallery",
    OWN_ALONE: "My pictures",
}
SEARCH_GALLERY, SEARCH_INDEX = "gallery", "index"
#: Kinds of background runs beside CLIPErase.
RUNS = ("drawing", "audit", "comparison", "trade-off")
#: Form of a visitor's key: 128 random bits.
KEY = re.compile("[0-9a-f]{32}", re.ASCII)
NOTHING_ERASED = "Nothing is erased yet; name at least one concept, such as “cat”."


#: Edits that can be undone.
MOST_UNDONE = 30
#: A CCUP edit and its request; None without an erasure, and without a request.
Edit = tuple["Erasure[CCUPSettings] | None", "ErasureRequest | None"]


@dataclass(frozen=True)
class Session:
    """One visitor's choices. The weights are shared by all visitors; an erasure adds a few kilobytes.

    Attributes:
        model: the model's name, in the form of :class:`unlearn.clip.models.Models`; "" is the app's own.
        vocabulary: the active words, or None for the app's.
        erasure: the active CCUP edit, or None.
        request: the request behind ``erasure``; None without an erasure, or if it came from a file.
        image: the chosen image, as a gallery of one, so that its embedding is cached like a gallery's.
        chose_image: whether the visitor chose it; otherwise it follows what is erased.
        focus: the concept that image, query and prompt follow, the first erased one of which there are images.
        uploads: the visitor's own labelled images; CLIPErase may train on those of their training split only.
        measured_on: images for accuracy and retrieval, of those in :data:`MEASURED_ON`; without uploads, the gallery.
        trade_off: the last measured curves, perhaps of an earlier erasure or model.
        fine_tuned: the result of CLIPErase, or None.
        audited: the result of the last audit, perhaps of an earlier edit.
        past, future: the CCUP edits of this model before the active one, oldest first, and those undone, newest first,
            each with its request.
        drawn, judged: the edits that images were last drawn with, and a batch last judged.
    """

    model: str = ""
    vocabulary: Vocabulary | None = None
    erasure: Erasure[CCUPSettings] | None = None
    request: ErasureRequest | None = None
    fine_tuned: FineTuned | None = None
    image: Gallery | None = None
    chose_image: bool = False
    focus: str = ""
    uploads: Gallery | None = None
    measured_on: str = TOGETHER
    trade_off: TradeOff | None = None
    audited: Audited | None = None
    past: tuple[Edit, ...] = ()
    future: tuple[Edit, ...] = ()
    drawn: Edits | None = None
    judged: Edits | None = None

    @property
    def edits(self) -> Edits:
        """The value by which results are matched to the active edits; it changes with every edit."""
        erasure = self.erasure
        asked = (erasure.selection, erasure.settings) if erasure else None
        return Edits(self.model, self.vocabulary, asked, self.fine_tuned)

    @property
    def titles(self) -> dict[str, str]:
        """Names of variants in legends that include the concepts they erased, if the panel's may differ."""
        return {CLIPERASE: self.fine_tuned.title} if self.fine_tuned else {}

    @property
    def own_images(self) -> Gallery | None:
        """The visitor's images, if measurements use them."""
        return None if self.measured_on == GALLERY_ALONE else self.uploads

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


def _number_of_uploads(session: Session) -> int:
    return len(session.uploads) if session.uploads else 0


def _history(now: Session, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``now`` that let ``changes`` be undone. A slider that is moved on and on is one change."""
    if "model" in changes:
        return {"past": (), "future": ()}
    if "erasure" not in changes or "past" in changes:
        return {}
    steps = [erasure for erasure, _ in now.past[-1:]] + [now.erasure, changes["erasure"]]
    if (
        len(steps) == 3
        and all(steps)
        and len({(step.selection, replace(step.settings, strength=1.0)) for step in steps}) == 1
    ):
        return {"future": ()}
    return {"past": (*now.past, (now.erasure, now.request))[-MOST_UNDONE:], "future": ()}


class Visitor:
    """Holder of one visitor's current session; ``gr.State`` stores it.

    Two events of one page may run at once. Each changes the newest session, so that neither undoes the other's change.

    Attributes:
        session: the current choices.
        key: the owner of background runs; a page that is reloaded gets its old key back.
        view: the position of the open view on the page.
        left: the time at which the page was closed, on the clock of the visits; None while it is open.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.key = secrets.token_hex(16)
        self.view = 0
        self.left: float | None = None
        _living.add(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Visitor:
        """Return a new visitor: gradio copies the initial value for every page that is opened."""
        return Visitor()

    def take_key(self, key: Any) -> None:
        """Take over ``key``, and the images added on earlier pages with it.

        A browser's storage may hold anything; what does not have the form of a visitor's key is ignored.
        """
        if not isinstance(key, str) or not KEY.fullmatch(key):
            return
        self.key = key
        earlier = [other.session for other in _living if other is not self and other.key == key]
        added = max((session for session in earlier if session.uploads), key=_number_of_uploads, default=None)
        if added and not self.session.uploads:
            self.change(uploads=added.uploads, measured_on=added.measured_on)

    @property
    def job_keys(self) -> dict[str, str]:
        """The keys of the visitor's jobs, by the kind of run: a visitor may draw while CLIPErase is queued."""
        return {"cliperase": self.key} | {what: f"{self.key}/{what}" for what in RUNS}

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
                self.session = replace(now, **_history(now, changes), **changes)
            return self.session
