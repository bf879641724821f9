"""Providers by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metasearch.errors import PrerequisiteError, UsageError
from metasearch.sandboxes import best_first, open_provider, providers
from metasearch.sandboxes.base import SandboxSpec


def test_bubblewrap_is_there_and_taken_by_itself() -> None:
    assert "bubblewrap" in providers()
    assert open_provider("auto").name == "bubblewrap"
    assert open_provider("bubblewrap").name == "bubblewrap"


def test_a_campaign_with_an_image_gets_docker_or_nothing() -> None:
    assert best_first(SandboxSpec()) == ["bubblewrap", "docker"]
    assert best_first(SandboxSpec(image="python")) == ["docker"]
    assert best_first(SandboxSpec(runtime="runsc")) == ["docker"]
    provider = open_provider("docker")
    assert provider.describe(SandboxSpec(image="x", runtime="y")) == "docker (image x, runtime y)"


def test_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'bubblewrap'"):
        open_provider("bubblewarp")
    with pytest.raises(UsageError, match="there are: auto, bubblewrap"):
        open_provider("zzz")


async def test_missing_bubblewrap_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PrerequisiteError, match="apt-get install bubblewrap"):
        await open_provider("bubblewrap").check()


def test_the_runner_needs_the_standard_library_only() -> None:
    code = (
        "import sys, types\n"
        "package = types.ModuleType('metasearch'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['metasearch'] = package\n"
        "import metasearch.sandboxes.runner.parent\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(roots - sys.stdlib_module_names - {'metasearch', '__main__'}))\n"
        "print('asyncio' in sys.modules)\n"
    )
    import metasearch

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, metasearch.__path__[0]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\nFalse\n"
