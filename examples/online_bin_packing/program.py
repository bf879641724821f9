"""Chooses bins for items that arrive one by one: the seed of the search."""

import numpy as np

# EVOLVE-BLOCK-START


def priority(item: float, bins: np.ndarray) -> np.ndarray:
    """One number per bin; the item goes into the bin with the largest one.

    ``bins`` holds the room that is left in each open bin that can take the item, in the order
    in which they were opened, and at the end the room of a new, empty bin.
    """
    room = bins - item
    opened = np.arange(len(bins))
    return -1.0 * opened - 0.1 * room


# EVOLVE-BLOCK-END
