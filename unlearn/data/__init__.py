"""Labelled images: galleries, public data sets, and decoding of image files."""
