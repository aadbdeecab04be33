"""What works on recorded topics: recordings, replays, differences, audits."""
