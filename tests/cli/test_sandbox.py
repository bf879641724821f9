"""``metasearch sandbox``: check, build and cleanup, against real providers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound
from typer.testing import Result

from metasearch.sandboxes.build import BUILT, LAYERED, built_name
from metasearch.sandboxes.owners import OWNER_LABEL, Owner
from tests.sandboxes.dockerd import IMAGE, connect, needs_docker

Invoke = Callable[..., Result]

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


@pytest.fixture
def client() -> Iterator[docker.APIClient]:
    with connect() as client:
        yield client


def test_a_provider_that_works_and_one_that_is_unknown(invoke: Invoke) -> None:
    found = invoke("sandbox", "check", "none", "--json")
    assert found.exit_code == 0, found.output
    (finding,) = json.loads(found.stdout)["findings"]
    assert "UNSAFE" in finding["detail"]
    unknown = invoke("sandbox", "check", "dokcer")
    assert unknown.exit_code == 2
    assert "docker" in unknown.output


def test_no_daemon_names_the_remedy(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = invoke("sandbox", "check", "docker", "--json")
    assert found.exit_code == 3
    (finding,) = json.loads(found.stdout)["findings"]
    assert finding["verdict"] == "missing"
    assert "systemctl start docker" in finding["detail"]


@needs_docker
def test_building_and_cleaning_up(invoke: Invoke, client: docker.APIClient, tmp_path: Path) -> None:
    name = f"tryout-{uuid.uuid4().hex}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "data.txt").write_text("inside")
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY data.txt /data.txt\n")
    built = invoke("sandbox", "build", folder / "Dockerfile", "--base", IMAGE, "--json")
    assert built.exit_code == 0, built.output
    image = json.loads(built.stdout)["image"]
    assert image == f"metasearch-{name}"
    dead = Owner.here()
    leftover = client.create_container(
        image,
        ["true"],
        labels={OWNER_LABEL: f"{dead.machine}/{dead.boot}/{dead.namespace}/{dead.pid}/1"},
    )["Id"]
    client.tag(image, LAYERED, name)
    try:
        cleaned = invoke("sandbox", "cleanup", "--json")
        assert cleaned.exit_code == 0, cleaned.output
        assert "leftovers" in json.loads(cleaned.stdout)["docker"]
        assert not client.containers(all=True, filters={"id": leftover})
        with pytest.raises(ImageNotFound):
            client.inspect_image(f"{LAYERED}:{name}")
        assert client.inspect_image(image)
    finally:
        client.remove_image(image, force=True)


@needs_docker
def test_a_build_that_fails_says_what_the_build_said(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY missing.txt /\n")
    failed = invoke("sandbox", "build", tmp_path / "Dockerfile")
    assert failed.exit_code == 3
    assert "missing.txt" in failed.output


def test_what_cannot_be_built(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("sandbox", "build", "pyhton").exit_code == 2
    assert "python, torch" in invoke("sandbox", "build", "pyhton").output
    wrong = invoke("sandbox", "build", "python", "--arg", "PACKAGES")
    assert wrong.exit_code == 2
    assert "KEY=VALUE" in wrong.output


def test_the_name_of_a_built_image_follows_its_contents(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\n")
    names = [built_name(file), built_name(file)]
    (tmp_path / "data.txt").write_text("1")
    names.append(built_name(file))
    (tmp_path / "data.txt").write_text("2")
    names.append(built_name(file))
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert all(name.startswith(f"{BUILT}:") for name in names)
