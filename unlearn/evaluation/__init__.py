"""Measurements of an encoder: zero-shot classification, retrieval, and how an edit changes both."""
