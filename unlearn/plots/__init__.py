"""Results as figures of Plotly, readable on light and dark pages: pure functions, no state, no gradio."""
