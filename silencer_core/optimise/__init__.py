"""From an objective to a protected portrait: what changes, by which steps, within what budget."""
