"""Attacks on an erasure: what somebody could still get out of the model, one attack a file."""
