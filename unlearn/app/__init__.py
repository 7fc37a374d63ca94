"""All that a visitor can do, without gradio: the page and its endpoints call these functions."""
