"""Talking-head generators: what a protection is optimised against and what an attack runs."""
