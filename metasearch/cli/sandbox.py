"""``metasearch sandbox``: check the providers, build images, clean up."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

from metasearch.cli import doctor, failures
from metasearch.cli.console import console, print_json
from metasearch.errors import MetasearchError, UsageError
from metasearch.printable import one_line


def check(name: str | None, *, as_json: bool) -> int:
    """Open a sandbox of each provider; the exit code says whether one that was meant works."""
    from metasearch.sandboxes import open_provider, providers

    if name is not None:
        open_provider(name)  # An unknown name is wrong usage.
    findings = asyncio.run(doctor.sandboxes([name] if name else providers()))
    able = any(finding.verdict == "ok" for finding in findings)
    if as_json:
        print_json({"ok": able, "findings": [asdict(finding) for finding in findings]})
    else:
        doctor.print_findings(findings)
    return failures.OK if able else failures.PREREQUISITE


def build(
    name: str, base: str | None, arguments: list[str], network: str | None, *, as_json: bool
) -> None:
    """Build one of the images that come with metasearch, or a Dockerfile of the user's own."""
    from metasearch.sandboxes.build import build_image, image_of, shipped

    dockerfiles = shipped()
    dockerfile = dockerfiles.get(name) or Path(name)
    if not dockerfile.is_file():
        raise UsageError(
            f"{name!r} is neither a Dockerfile nor one of {', '.join(sorted(dockerfiles))}"
        )
    given = {"BASE": base} if base else {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not key or not equals:
            raise UsageError(f"--arg is {argument!r}; give it as KEY=VALUE")
        given[key] = value
    if name in dockerfiles:
        image = image_of(name)
    else:
        image = image_of(dockerfile.absolute().parent.name.lower())
    asyncio.run(build_image(dockerfile, image, given, network))
    if as_json:
        print_json({"image": image})
    else:
        console().print(f'Built {image}. To use it: image = "{image}" under [sandbox].')


def cleanup(*, as_json: bool) -> None:
    """Remove leftovers of every provider, and made images."""
    done = asyncio.run(_cleanup())
    if as_json:
        print_json(done)
        return
    for name, said in done.items():
        console().print(one_line(f"{name}: {said}"))


async def _cleanup() -> dict[str, str]:
    from metasearch.sandboxes import open_provider, providers
    from metasearch.sandboxes.build import remove_made

    said = {}
    for name in providers():
        provider = open_provider(name)
        try:
            said[name] = f"{await provider.reap()} leftovers removed"
            if name == "docker":
                said[name] += f", {await remove_made()} images removed"
        except MetasearchError as error:
            said[name] = str(error)
        finally:
            await provider.close()
    return said
