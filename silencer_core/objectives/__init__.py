"""Objectives: from a portrait's pixels to a loss that a protection minimises."""
