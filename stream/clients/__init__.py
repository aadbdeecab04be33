"""What producers and consumers import: `station.Station`, `decision_reader.DecisionReader`."""
