"""Pressure of saturated water vapour: the seed, a first guess."""

import math

# EVOLVE-BLOCK-START


def pressure(temperature: float) -> float:
    """In hPa, at a temperature in degrees Celsius."""
    return 6.0 * math.exp(10.0 * temperature / (temperature + 200.0))


# EVOLVE-BLOCK-END


def pressures(temperatures: list[float]) -> list[float]:
    """What the evaluator calls."""
    return [pressure(temperature) for temperature in temperatures]
