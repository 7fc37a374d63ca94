"""The models that are compared, by the names that the screen, reports and programs know them by."""

ORIGINAL, CCUP, CLIPERASE, BOTH = "Original", "CCUP", "CLIPErase", "CLIPErase + CCUP"
BASELINE = "Baseline"
#: What an erasure of a method makes of the original.
MADE_BY = {"ccup": CCUP, "cliperase": CLIPERASE, "stacked": BOTH, "baseline": BASELINE}
#: What a model's name ends in once it is fine-tuned.
FINE_TUNED = ", fine-tuned"
