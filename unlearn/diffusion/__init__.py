"""Diffusion pipelines whose text encoder carries an erasure."""
