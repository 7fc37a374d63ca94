"""The screen: the only folder that imports gradio."""

from unlearn.ui.server.proxies import usable_proxies

usable_proxies()  # before any import of gradio below
