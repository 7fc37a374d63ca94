"""CLIP models: loading, encoding, and the weights that an edit changes."""
