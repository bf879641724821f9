"""Images built from Dockerfiles: a campaign's own, and those that come with metasearch."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from metasearch.errors import CampaignError, PrerequisiteError
from metasearch.sandboxes.owners import OWNER_LABEL

if TYPE_CHECKING:
    import docker

    from metasearch.sandboxes.daemon import Daemon

BUILT = "metasearch-build"
"""Repository of campaigns' own images."""
LAYERED = "metasearch-room"
"""Repository of the images with the runner's layer."""
_MAX_FILES = 2000
_MAX_BYTES = 500 * 1024**2
_MAX_COMPLAINT = 3000
_SILENCE = 3600
"""Seconds that a build may say nothing: while it loads a large package, say."""

_log = logging.getLogger(__name__)


def built_name(dockerfile: Path) -> str:
    """What the image of a Dockerfile is called: the same for the same contents.

    Raises:
        CampaignError: There is no such file, or too much beside it.
    """
    if not dockerfile.is_file():
        raise CampaignError(f"sandbox.build names {str(dockerfile)!r}, which is no file.")
    sha = hashlib.sha256(dockerfile.name.encode())
    folder, size = dockerfile.parent, 0
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if len(paths) > _MAX_FILES:
        raise _too_much(folder)
    for path in paths:
        size += path.stat().st_size
        if size > _MAX_BYTES:
            raise _too_much(folder)
        content = hashlib.sha256(path.read_bytes()).digest()
        sha.update(str(path.relative_to(folder)).encode() + b"\0" + content)
    return f"{BUILT}:{sha.hexdigest()[:24]}"


def _too_much(folder: Path) -> CampaignError:
    return CampaignError(
        f"The folder of sandbox.build, {folder}, holds more than {_MAX_FILES} files or "
        f"{_MAX_BYTES >> 20} MiB, all of which the Docker daemon would be sent. "
        "Put the Dockerfile into a folder of its own."
    )


async def build_campaign_image(dockerfile: Path) -> None:
    """Make sure that the image of a campaign's Dockerfile exists.

    Raises:
        CampaignError: There is no such file.
        PrerequisiteError: It cannot be built; with the last that the build said.
        SandboxUnavailable: The daemon is not reachable.
    """
    name = await asyncio.to_thread(built_name, dockerfile)

    async with _daemon() as daemon:
        if not await daemon.ask(lambda client: exists(client, name)):
            _log.info("building the image of %s", dockerfile)
            await daemon.ask(lambda client: build(client, dockerfile, name, {}))


def exists(client: docker.APIClient, image: str) -> bool:
    """Whether the daemon has an image."""
    from docker.errors import ImageNotFound

    try:
        client.inspect_image(image)
    except ImageNotFound:
        return False
    return True


def build(
    client: docker.APIClient,
    dockerfile: Path,
    name: str,
    arguments: Mapping[str, str],
    network: str | None = None,
) -> None:
    """Build an image.

    Args:
        client: The daemon's client.
        dockerfile: What to build; its folder is what it may copy from.
        name: What to call it.
        arguments: For the Dockerfile's ``ARG`` lines.
        network: What the build steps may reach; ``host`` where the daemon has no bridge.

    Raises:
        PrerequisiteError: It cannot be built; with the last that the build said.
    """
    said: list[str] = []
    for line in client.build(
        path=str(dockerfile.parent),
        dockerfile=dockerfile.name,
        tag=name,
        buildargs=dict(arguments),
        network_mode=network,
        rm=True,
        forcerm=True,
        timeout=_SILENCE,
        decode=True,
    ):
        if "error" in line:
            tail = "".join(said)[-_MAX_COMPLAINT:]
            raise PrerequisiteError(
                f"The image of {dockerfile} cannot be built: {line['error'].strip()}\n{tail}"
            )
        text = line.get("stream", "")
        said.append(text)
        if text.startswith("Step "):
            _log.info("%s", text.strip())


def shipped() -> dict[str, Path]:
    """The Dockerfiles that come with metasearch, by name."""
    return {
        file.parent.name: file
        for file in sorted((Path(__file__).parent / "images").glob("*/Dockerfile"))
    }


def image_of(name: str) -> str:
    """What the image of one of those is called."""
    return f"metasearch-{name}"


async def build_image(
    dockerfile: Path, image: str, arguments: Mapping[str, str], network: str | None
) -> None:
    """Build an image; the arguments are those of :func:`metasearch.sandboxes.build.build`."""
    async with _daemon() as of:
        await of.ask(lambda client: build(client, dockerfile, image, arguments, network))


async def remove_made() -> int:
    """Remove the images that can be made again and that no container uses; how many."""
    async with _daemon() as of:
        return await of.ask(_remove_made)


@asynccontextmanager
async def _daemon() -> AsyncIterator[Daemon]:
    from metasearch.sandboxes.daemon import Daemon

    of = Daemon()
    try:
        yield of
    finally:
        of.close()


def _remove_made(client: docker.APIClient) -> int:
    from docker.errors import APIError

    made = [image for repository in (LAYERED, BUILT) for image in client.images(repository)]
    names = [tag for image in made for tag in image["RepoTags"]]
    # Two that put our layer on the same image at the same time leave one without a name.
    nameless = client.images(filters={"dangling": True, "label": OWNER_LABEL})
    removed = 0
    for name in [*names, *(image["Id"] for image in nameless)]:
        try:
            client.remove_image(name)
        except APIError as error:
            if error.response is None or error.response.status_code != 409:
                raise
        else:
            removed += 1
    return removed
