"""The circuit in three ways that the tests hold together: PennyLane's, and two exact ones."""
