"""Changing a text that is no Python, or does not parse: its numbers and its lines."""

from __future__ import annotations

import math
import random
import re

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")


def vary(text: str, rng: random.Random) -> str | None:
    """The text with one number or one line changed; ``None`` if there is nothing to change."""
    numbers = list(_NUMBER.finditer(text))
    if numbers and rng.random() < 0.75:
        match = rng.choice(numbers)
        return text[: match.start()] + _number(match[0], rng) + text[match.end() :]
    lines = text.splitlines(keepends=True)
    full = [index for index, line in enumerate(lines) if line.strip()]
    if len(full) < 2:
        return None
    index = rng.choice(full)
    roll = rng.random()
    if roll < 0.35:
        del lines[index]
    elif roll < 0.65:
        lines.insert(index, lines[index])
    else:
        other = full[(full.index(index) + 1) % len(full)]
        lines[index], lines[other] = lines[other], lines[index]
    changed = "".join(lines)
    return None if changed == text else changed


def _number(spelled: str, rng: random.Random) -> str:
    if spelled.isdigit() and len(spelled) < 16:
        whole = int(spelled)
        steps = (whole + 1, max(0, whole - 1), whole * 2, whole // 2)
        return str(rng.choice([step for step in steps if step != whole]))
    value = float(spelled) if math.isfinite(float(spelled)) else 1.0
    return f"{value * math.exp(rng.gauss(0, 0.3)) if value else abs(rng.gauss(0, 0.1)):.6g}"
