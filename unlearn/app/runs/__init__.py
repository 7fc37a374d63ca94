"""A visitor's background runs: fine-tuning, drawings, attacks, comparisons and trade-off curves."""
