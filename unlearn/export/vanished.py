"""Where weights cannot be what the app shows: texts or images of which an edit leaves next to nothing.

Live, and in the scripts for the edit alone, these count as gone (:data:`unlearn.clip.encoders.NOTHING_LEFT`). A whole
model is used by code that divides every embedding by its length, which gives the old direction back, or rounding's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Selection, surface_forms

#: Words named in the sentence.
NAMED = 3


def live_only(edited: TextImageEncoder, selection: Selection, templates: Sequence[str]) -> str:
    """What the visitor should know where a whole model cannot be what ``edited`` is; empty where it can."""
    if no_picture_left(edited):
        gone, instead = "any picture", "Erase less"
    elif forms := texts_gone(edited, selection, templates):
        named = ", ".join(f"“{form}”" for form in forms[:NAMED]) + (" and others" if len(forms) > NAMED else "")
        gone, instead = f"the text {named}", "Erase on pictures"
    else:
        return ""
    return (
        f"The edit leaves next to nothing of {gone}. Here, and in the script for the edit alone, that counts as gone; "
        "a whole model would divide by what is left and have it back, so it cannot be exported. "
        f"{instead} to get one."
    )


def texts_gone(edited: TextImageEncoder, selection: Selection, templates: Sequence[str]) -> tuple[str, ...]:
    """The ways of writing what ``selection`` erases of which ``edited`` leaves no direction."""
    forms = [form for concept in selection.forget for form in surface_forms(concept)]
    left = edited.text_features(forms, templates).any(dim=-1)
    return tuple(form for form, something in zip(forms, left.tolist(), strict=True) if not something)


def no_picture_left(edited: TextImageEncoder) -> bool:
    """Whether so much was erased that every image comes to nothing: as many directions as there are."""
    return any(not edit.edit_image(torch.eye(edited.embed_dim)).any() for edit in edited.edits)
