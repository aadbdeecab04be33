"""What works on recorded topics: the audit, and collecting training data."""
