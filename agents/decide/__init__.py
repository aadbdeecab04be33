"""From a prediction to a decision: the plant's policy, the disassembly plan, the record."""
