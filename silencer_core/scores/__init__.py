"""Scores: what a protection changes in a photo, and what it does to an attack with that photo.

`image` compares two photos, `mouth` and `motion` read frames, `attack` makes them, `verify` puts
everything together into the `report` and its `grid`.
"""
