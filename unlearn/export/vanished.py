"""Detection of edits that weights cannot represent: edits that leave next to nothing of some texts or of all images.

The app and the scripts for the edit alone treat such embeddings as erased, see
:data:`unlearn.clip.embeddings.NOTHING_LEFT`. Code that uses a whole model normalises every embedding, which restores
the old direction or amplifies rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.prompts import surface_forms
from unlearn.concepts.selection import Selection

#: Maximum number of words named in the sentence.
NAMED = 3


def live_only(edited: TextImageEncoder, selection: Selection, templates: Sequence[str]) -> str:
    """Return a sentence if a whole model cannot behave like ``edited``, else ""."""
    if no_image_left(edited):
        gone, instead = "any picture", "Erase less"
    elif forms := texts_gone(edited, selection, templates):
        named = ", ".join(f"“{form}”" for form in forms[:NAMED]) + (" and others" if len(forms) > NAMED else "")
        gone, instead = f"the text {named}", "Erase on pictures"
    else:
        return ""
    return (
        f"The edit leaves next to nothing of {gone}. Here, and in the script for the edit alone, that counts as gone; "
        "a whole model would normalise what is left and get it back, so it cannot be exported. "
        f"{instead} to get one."
    )


def texts_gone(edited: TextImageEncoder, selection: Selection, templates: Sequence[str]) -> tuple[str, ...]:
    """Return the written forms of the erased concepts in ``selection`` of which ``edited`` leaves no direction."""
    forms = [form for concept in selection.forget for form in surface_forms(concept)]
    left = edited.text_features(forms, templates).any(dim=-1)
    return tuple(form for form, something in zip(forms, left.tolist(), strict=True) if not something)


def no_image_left(edited: TextImageEncoder) -> bool:
    """Return True if the edit removes all directions, so that every image embedding becomes zero."""
    return any(not edit.edit_image(torch.eye(edited.embed_dim)).any() for edit in edited.edits)
