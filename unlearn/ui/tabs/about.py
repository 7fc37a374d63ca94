"""About tab: an explanation of the methods in the words of the two papers."""

from __future__ import annotations

import gradio as gr

TEXT = """
### What happens when you erase a concept

CLIP puts pictures and texts into one space and calls a picture by the text that lies closest. **CCUP** (Consistent
Class Unlearning Projection, [arXiv 2512.14137](https://arxiv.org/abs/2512.14137)) takes the directions that the
concept's texts span (its name, plural and synonyms, each in several sentences) and solves for the projection *P* that
sends them to nothing while it leaves the protected texts where they are:

> minimise ‖P − I‖² + λ ‖P T_forget − (1 − α) T_forget‖² + μ ‖P T_retain − T_retain‖²

The minimum has a closed form, so nothing is trained and no picture is needed: each move of the slider (α) is a new *P*.
**Nullspace** is its limit without protection: a plain orthogonal projection.

**Paired**, the default, was made here. All texts lie in one cone, so every picture has a share of every text, and
taking the concept's texts away from all pictures costs the others. The paired form solves for both ends: which pictures
are touched, and which words are taken from them. What is neither stays; and a picture of the concept ends where a
stranger's stands, not below.

### What the views show

- **Zero-shot**: the probability of each label for one picture, before and after. Erased labels are still offered.
- **Retrieval**: the pictures closest to a text, the captions closest to a picture, and how often the right one is among
  the first 1, 5 or 10.
- **Generation**: the same noise drawn twice by a diffusion model, once told of the prompt by the original text encoder
  and once by the edited one. It reads the encoder's token states, before any projection, so CCUP is solved again on
  them; CLIPErase changes pictures where it trained the text tower, as it does by default. A judge that was never edited
  counts.
- **Trade-off**: accuracy on erased and on other pictures as the erasure grows stronger or wider.
- **Is it gone?**: attacks on your edit. The number counts pairs of one picture of the concept and another: in how many
  does the attack tell which is which? For words that may be the one that comes last: an attacker's own pictures say
  from which end to read. Chance is what knows nothing gets: a coin, bare pixels, names of other things, a word that
  the model never knew. An attack leaks where more than half of what it had above chance before the edit is left after
  it. A random edit of the same size stands beside it.

Accuracy is always measured on pictures that the model was not trained on.

### What it does not show

The edit sits at the end of the model. Features before the final projection still tell the concept apart, so somebody
with the weights could find it again. “Is it gone?” tries that and more; what held against these attacks may fall to
another.

### From a program

Everything here is also an API: see “Use via API” at the foot of the page, `python -m unlearn --help`, or

```python
from unlearn import classify, erase, load_clip
clip = load_clip("pocket")
edited = erase(clip, ["guitar"]).apply(clip)
print(classify(edited, image, ["guitar", "violin", "pizza"]))
```
"""


def build_about_tab() -> None:
    """Add the tab; it has no events."""
    with gr.Tab("About", id="about"):
        gr.Markdown(TEXT, elem_id="about")
