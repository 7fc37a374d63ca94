"""One file a tab or panel: its elements, their layout and their events."""
