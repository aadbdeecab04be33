def decisions() -> int:
    return 0
