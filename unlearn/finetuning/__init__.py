"""Training of a copy of a CLIP model: trainable weights, pairs, batches and checkpoints, independent of the method."""
