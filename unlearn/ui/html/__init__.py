"""HTML shown on the page."""
