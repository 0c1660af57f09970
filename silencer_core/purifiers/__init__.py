"""What platforms and attackers do to a photo before a generator sees it."""
