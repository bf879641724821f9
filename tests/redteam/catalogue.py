"""All attacks, by theme."""

from __future__ import annotations

from tests.redteam import (
    exhaustion,
    files,
    forging,
    kernel,
    network,
    noise,
    snooping,
    timing,
    wire,
)
from tests.redteam.attack import Attack

THEMES: dict[str, list[Attack]] = {
    module.__name__.rpartition(".")[2]: module.ATTACKS
    for module in (forging, snooping, network, exhaustion, wire, files, kernel, timing, noise)
}
TITLES: dict[str, str] = {
    module.__name__.rpartition(".")[2]: (module.__doc__ or "").partition("\n")[0]
    for module in (forging, snooping, network, exhaustion, wire, files, kernel, timing, noise)
}
ATTACKS = [attack for attacks in THEMES.values() for attack in attacks]
