"""The screen: the only folder that imports gradio."""

from unlearn.ui.proxies import usable_proxies

usable_proxies()  # before anything here imports gradio
