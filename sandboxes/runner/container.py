"""The entry of a container: imports what the campaign names, then waits for its candidate.

The container's own limits and its private file system are there already, so the process is
the keeper from the start. Its owner is at the other end of its standard streams.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

from metasearch.sandboxes.runner import keeper, program, seccomp
from metasearch.sandboxes.runner.relay import Relay


def main() -> None:
    """Started as ``python -c`` without arguments."""
    incoming, outgoing = (os.dup(descriptor) for descriptor in (0, 1))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    owner = Relay(incoming, outgoing)
    setup = owner.first()["setup"]
    # Some packages want a folder for temporary files when they are imported.
    os.mkdir(keeper.ROOM + "/tmp", 0o700)
    for name in setup["preload"]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            # Whatever a package does when it is imported; the owner says it to the person.
            owner.say({"error": f"{type(error).__name__}: {error}"[:2000], "module": name})
            sys.exit(0)
    for path, target in setup["links"].items():
        inside = keeper.ROOM + path.removeprefix("/var")
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        os.symlink(target, inside)
    keeper.limit_for_all()
    program.prepare(keeper.WORK)
    seccomp.prepare()
    gc.collect()
    gc.freeze()
    gc.disable()
    owner.say({"ready": True})
    order = keeper.Order(owner.first()["order"])
    os.dup2(null, 2)
    keeper.keep(order, owner)
