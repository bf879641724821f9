"""Small programs in a sandbox, for conformance suites: what they return, and how they fail."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from metasearch.errors import CandidateFailure
from metasearch.sandboxes.base import Limits, Sandbox, SandboxProvider, SandboxSpec, Value

MEGABYTE = 1024**2
SPEC = SandboxSpec(
    Limits(seconds=20, memory=256 * MEGABYTE, pids=32, disk=16 * MEGABYTE, output=4 * MEGABYTE)
)


def program(source: str) -> dict[str, bytes]:
    """A one-file program."""
    return {"program.py": textwrap.dedent(source).encode()}


def spec(*, seconds: float) -> SandboxSpec:
    """The suite's limits with another deadline."""
    return replace(SPEC, limits=replace(SPEC.limits, seconds=seconds))


@asynccontextmanager
async def holding(
    provider: SandboxProvider, source: str, of: SandboxSpec = SPEC
) -> AsyncIterator[Sandbox]:
    """A sandbox with this program in it."""
    async with provider.open(of) as sandbox:
        await sandbox.write(program(source))
        yield sandbox


async def returned(provider: SandboxProvider, source: str, of: SandboxSpec = SPEC) -> Value:
    """What ``main()`` of this program returns."""
    async with holding(provider, source, of) as sandbox:
        return await sandbox.call("program:main")


async def failure(
    provider: SandboxProvider, source: str, of: SandboxSpec = SPEC
) -> CandidateFailure:
    """How ``main()`` of this program fails; and the next candidate must run normally."""
    try:
        value = await returned(provider, source, of)
    except CandidateFailure as caught:
        assert await returned(provider, "def main(): return 'well'") == "well"
        return caught
    raise AssertionError(f"it did not fail but returned {value!r:.200}")


async def last_words(provider: SandboxProvider, source: str, of: SandboxSpec = SPEC) -> Value:
    """What an attack reports, where failing and reporting are both allowed."""
    try:
        return await returned(provider, source, of)
    except CandidateFailure as caught:
        return caught.message
    finally:
        assert await returned(provider, "def main(): return 'well'") == "well"
