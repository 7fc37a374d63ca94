"""Results as Plotly figures, readable on light and dark pages: pure functions, no state, no gradio."""
