"""Bits for a deceptive task: the way to the best leads through worse."""


# EVOLVE-BLOCK-START
def bits() -> list[int]:
    """Four and twenty of them."""
    return [0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0]


# EVOLVE-BLOCK-END
