"""Sweeps: every method on the same concepts, and one method over all strengths."""
