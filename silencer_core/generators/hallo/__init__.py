"""Hallo: the published audio-driven portrait generator, at any size.

Source: Xu et al., *Hallo: Hierarchical Audio-Driven Visual Synthesis for Portrait Image
Animation*, arXiv 2406.08801, https://github.com/fudan-generative-vision/hallo.
"""
