"""Generators on disk: where their files come from, whether they are whole, reading, converting."""
