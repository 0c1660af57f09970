"""Silencer: protect a portrait from being made to talk. This library imports no ComfyUI."""

__version__ = "0.1.0"
