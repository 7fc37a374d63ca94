"""Tabs and panels, one file each: components, layout and events."""
