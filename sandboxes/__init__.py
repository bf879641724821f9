"""Where candidates run: providers behind one contract, and the values that cross it.

This module is also on the path inside sandboxes, so it imports nothing when it is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metasearch.sandboxes.base import SandboxProvider, SandboxSpec

ENTRY_POINTS = "metasearch.sandboxes"
"""Group under which an installed package offers a provider: a class without arguments."""

_BUILT_IN = {
    "bubblewrap": "metasearch.sandboxes.bubblewrap:BubblewrapProvider",
    "docker": "metasearch.sandboxes.docker:DockerProvider",
}
"""Best first: ``auto`` takes the first one that works."""
UNSAFE = "none"
"""The provider without any isolation: only for those who ask for it by name."""


def providers() -> list[str]:
    """Names of all providers that can be asked for, built-in ones first, best first."""
    from importlib.metadata import entry_points

    installed = sorted(entry.name for entry in entry_points(group=ENTRY_POINTS))
    return list(dict.fromkeys([*_BUILT_IN, *installed]))


def best_first(spec: SandboxSpec) -> list[str]:
    """What ``auto`` tries for a spec, in this order; never anything without isolation."""
    return ["docker"] if spec.image or spec.runtime else list(_BUILT_IN)


def open_provider(name: str = "auto") -> SandboxProvider:
    """The provider of that name; whether it works here is told by its ``check``.

    Args:
        name: One of :func:`providers`, or ``auto`` for the best built-in one.

    Raises:
        UsageError: If there is none of this name. Says the nearest ones.
    """
    import difflib
    from importlib.metadata import EntryPoint, entry_points

    from metasearch.errors import UsageError

    if name == "auto":
        name = next(iter(_BUILT_IN))
    ours = {**_BUILT_IN, UNSAFE: "metasearch.sandboxes.none:NoIsolation"}
    if name in ours:
        entry = EntryPoint(name, ours[name], ENTRY_POINTS)
    else:
        found = entry_points(group=ENTRY_POINTS, name=name)
        if not found:
            known = ["auto", *providers()]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
            raise UsageError(f"There is no sandbox provider {name!r}; {hint}")
        entry = next(iter(found))
    provider: SandboxProvider = entry.load()()
    return provider
