"""Training a copy of a CLIP model: what trains, on which pairs, from where it can be resumed. Knows no method."""
