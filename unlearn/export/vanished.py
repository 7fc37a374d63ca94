"""Where weights cannot be what the app shows: texts of which an edit leaves next to nothing.

Live, and in the scripts for the edit alone, such a text counts as gone (:data:`unlearn.encoders.NOTHING_LEFT`). A whole
model is used by code that divides every embedding by its length, which gives the old direction back.
"""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.concepts import Selection, surface_forms
from unlearn.encoders import TextImageEncoder, class_embeddings

#: Words named in the sentence.
NAMED = 3


def vanished(edited: TextImageEncoder, selection: Selection, templates: Sequence[str]) -> tuple[str, ...]:
    """The ways of writing what ``selection`` erases of which ``edited`` leaves no direction."""
    forms = [form for concept in selection.forget for form in surface_forms(concept)]
    left = class_embeddings(edited, forms, templates).any(dim=-1)
    return tuple(form for form, something in zip(forms, left.tolist(), strict=True) if not something)


def live_only(forms: Sequence[str]) -> str:
    """What the visitor should know where ``forms`` have vanished."""
    named = ", ".join(f"“{form}”" for form in forms[:NAMED]) + (" and others" if len(forms) > NAMED else "")
    return (
        f"The edit leaves next to nothing of the text {named}. Here, and in the script for the edit alone, that counts "
        "as gone; a whole model would divide by what is left and have it back, so it cannot be exported. Erase on "
        "pictures to get one."
    )
