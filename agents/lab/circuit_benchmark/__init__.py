"""How fast the forms of the circuits are, raced against each other on one machine."""
