"""The screen: the only folder that imports gradio."""
