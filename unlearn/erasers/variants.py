"""Names of the compared models on screen, in reports and for programs."""

ORIGINAL, CCUP, CLIPERASE, BOTH = "Original", "CCUP", "CLIPErase", "CLIPErase + CCUP"
BASELINE = "Baseline"
#: Name of the edited model by the method of its erasure.
MADE_BY = {"ccup": CCUP, "cliperase": CLIPERASE, "stacked": BOTH, "baseline": BASELINE}
#: Suffix of the name of a fine-tuned model.
FINE_TUNED = ", fine-tuned"
