"""Images that candidates run in: any with Python 3.9 or newer, and one layer of ours on top.

The layer holds the runner's code, compiled by the image's own interpreter, and makes /tmp a
part of the sandbox's one private file system. It is put on once for an image and kept; the
daemon needs no file of this machine for it, and no network.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from metasearch.errors import PrerequisiteError, SandboxError
from metasearch.sandboxes import daemon
from metasearch.sandboxes.build import LAYERED, exists, image_of, shipped
from metasearch.sandboxes.daemon import Daemon
from metasearch.sandboxes.owners import OWNER_LABEL
from metasearch.sandboxes.rootfs import CODE
from metasearch.sandboxes.runner.keeper import ROOM

PRIVATE = "/dev/shm"  # noqa: S108
"""Where the private file system is mounted; the sandbox's other names for it are links."""

_LINKS = {ROOM: PRIVATE, "/tmp": f"{ROOM}/tmp", "/var/tmp": f"{ROOM}/tmp"}  # noqa: S108
_SHARED = ("__init__.py", "asks.py", "bundle.py", "wire.py")
_OLDEST = (3, 9)
_COMPILE = (
    "import compileall, sys\n"
    f"sys.exit(3) if sys.version_info < {_OLDEST} else None\n"
    f"sys.exit(not compileall.compile_dir({CODE!r}, quiet=1))\n"
)


async def layered(of: Daemon, image: str, owner: str) -> str:
    """The name of an image with our layer on top; it is made if there is none yet.

    Raises:
        PrerequisiteError: There is no such image, or candidates cannot run in it.
        SandboxError: The layer cannot be put on.
        SandboxUnavailable: The daemon is not reachable.
    """
    return await of.ask(lambda client: _layered(client, image, owner))


def _layered(client: docker.APIClient, image: str, owner: str) -> str:
    try:
        found = client.inspect_image(image)
    except ImageNotFound:
        remedy = f"Get it with 'docker pull {image}'."
        for own in shipped():
            if image == image_of(own):
                remedy = f"Build it with 'metasearch sandbox build {own}'."
        raise PrerequisiteError(f"The Docker daemon has no image {image!r}. {remedy}") from None
    volumes = (found.get("Config") or {}).get("Volumes")
    if volumes:
        raise PrerequisiteError(
            f"The image {image!r} declares volumes ({', '.join(volumes)}), which candidates "
            "could fill without limit. Use an image without VOLUME."
        )
    layer = _layer()
    digest = hashlib.sha256(found["Id"].encode() + layer).hexdigest()[:24]
    name = f"{LAYERED}:{digest}"
    if not exists(client, name):
        _put_on(client, image, layer, digest, owner)
    return name


def _put_on(client: docker.APIClient, image: str, layer: bytes, digest: str, owner: str) -> None:
    name = f"metasearch-layer-{uuid.uuid4().hex}"
    try:
        client.create_container(
            image,
            ["-c", _COMPILE],
            entrypoint=["python3"],
            name=name,
            user="0:0",
            network_disabled=True,
            labels={OWNER_LABEL: owner},
            host_config=client.create_host_config(network_mode="none"),
        )
        client.put_archive(name, "/", layer)
        try:
            client.start(name)
        except APIError as error:
            raise _unfit(image, str(error.explanation)) from None
        status = client.wait(name)["StatusCode"]
        if status == 3:
            raise _unfit(image, "its python3 is older than 3.9")
        if status:
            said = client.logs(name, tail=20).decode("utf-8", "replace").strip()
            raise SandboxError(f"the runner cannot be put into the image {image!r}: {said}")
        if not exists(client, f"{LAYERED}:{digest}"):  # Another process may have been faster.
            client.commit(name, repository=LAYERED, tag=digest)
    finally:
        daemon.remove(client, name)


def _unfit(image: str, why: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"Candidates cannot run in the image {image!r}, which must have python3: {why}"
    )


def _layer() -> bytes:
    """Our layer as a tar archive: the same bytes for the same code."""
    here = Path(__file__).parent
    files = [here / name for name in _SHARED] + sorted((here / "runner").rglob("*.py"))
    contents = io.BytesIO()
    with tarfile.open(fileobj=contents, mode="w") as archive:
        for link, target in _LINKS.items():
            entry = tarfile.TarInfo(link.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
        folder = f"{CODE}/metasearch/sandboxes".lstrip("/")
        for name in (*reversed([str(p) for p in Path(folder).parents][:-1]), folder):
            archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for inner in ("runner", "runner/public"):
            archive.addfile(_entry(f"{folder}/{inner}", tarfile.DIRTYPE, 0o755))
        for file in files:
            entry = _entry(f"{folder}/{file.relative_to(here)}", tarfile.REGTYPE, 0o644)
            data = file.read_bytes()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return contents.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry
