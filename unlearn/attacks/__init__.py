"""Attacks on an erasure, one per module: each measures how much of the concept the edited model still gives away."""
