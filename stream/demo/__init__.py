"""A simulated line against a real broker: `regrade simulate`, and `regrade demo` around it."""
