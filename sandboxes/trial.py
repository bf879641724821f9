"""The proof that sandboxes can be opened here: one is opened, and a function is called in it."""

from __future__ import annotations

from metasearch.errors import CandidateFailure, PrerequisiteError, SandboxError
from metasearch.sandboxes.base import Limits, SandboxProvider, SandboxSpec


async def open_one(provider: SandboxProvider, title: str) -> None:
    """Open a sandbox of a provider and let it compute something.

    Raises:
        PrerequisiteError: With the cause, and the provider by its title.
    """
    try:
        async with provider.open(SandboxSpec(Limits(seconds=30))) as sandbox:
            await sandbox.write({"check.py": b"def check():\n    return 42\n"})
            answer = await sandbox.call("check:check")
    except (SandboxError, CandidateFailure) as error:
        raise PrerequisiteError(f"{title} cannot make a sandbox here: {error}") from None
    if answer != 42:
        raise PrerequisiteError(f"{title} sandboxes do not return values here")
