"""Packs circles into the unit square: the seed of the search."""

import math

# EVOLVE-BLOCK-START


def place(n: int) -> list[tuple[float, float]]:
    """Centers on rings around the middle, moved inside where a ring leaves the square."""
    rings = [(1, 0.0, 0.0), (8, 0.25, 0.0), (17, 0.7, 0.0)]  # circles, distance, turn
    margin = 0.005
    points = []
    for count, distance, turn in rings:
        for k in range(count):
            angle = 2 * math.pi * k / count + turn
            x = 0.5 + distance * math.cos(angle)
            y = 0.5 + distance * math.sin(angle)
            x = min(max(x, margin), 1 - margin)
            y = min(max(y, margin), 1 - margin)
            points.append((x, y))
    return points[:n]


def inflate(points: list[tuple[float, float]]) -> list[float]:
    """Each circle reaches to the border or half way to its nearest neighbour."""
    radii = []
    for i, (x, y) in enumerate(points):
        room = min(x, y, 1 - x, 1 - y)
        for j, (u, v) in enumerate(points):
            if i != j:
                room = min(room, math.hypot(x - u, y - v) / 2)
        radii.append(room)
    return radii


# EVOLVE-BLOCK-END


def pack(n: int) -> list[tuple[float, float, float]]:
    """The packing: center and radius of each of the ``n`` circles."""
    points = place(n)
    return [(x, y, r) for (x, y), r in zip(points, inflate(points), strict=True)]
