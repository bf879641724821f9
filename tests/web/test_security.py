"""Strangers get nothing: rebinding, forged requests, wrong tokens, paths and frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive
from metasearch.web import Access
from metasearch.web.security import CSP
from tests.web.kit import Serve

TOKEN = "a-token-of-good-length"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with nothing in it."""
    path = tmp_path_factory.mktemp("quiet") / "archive.db"
    Archive.open(path, create=True).close()
    return path


@pytest.fixture(scope="module")
def own(quiet: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(quiet) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(quiet: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(quiet, Access(token=TOKEN, hosts=frozenset({"lab.example"}))) as client:
        yield client


@pytest.fixture
def stranger(guarded: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.base_url) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:80", "LOCALHOST:1"])
def test_loopback_names_are_known(own: httpx.Client, host: str) -> None:
    assert own.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "127.0.0.1.evil.example"],
)
def test_a_rebound_name_gets_nothing(own: httpx.Client, host: str) -> None:
    for path in ("/", "/api/campaigns", "/login", "/static/x"):
        answer = own.get(path, headers={"Host": host})
        assert answer.status_code in (400, 421)
        assert "campaigns" not in answer.text


def test_a_name_that_was_allowed_is_known(guarded: httpx.Client) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/", headers={"Host": "lab.example", **bearer}).status_code == 200
    assert guarded.get("/", headers={"Host": "192.168.0.7:80", **bearer}).status_code == 200
    assert guarded.get("/", headers={"Host": "evil.example", **bearer}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_sites_form_is_refused(own: httpx.Client, origin: str) -> None:
    headers = {"Origin": origin, "X-Metasearch": "1"}
    assert own.post("/logout", headers=headers).status_code == 403
    assert own.post("/login", headers={"Origin": origin}).status_code == 403


def test_a_change_needs_the_custom_header(own: httpx.Client) -> None:
    assert own.post("/logout").status_code == 403
    assert own.post("/logout", headers={"X-Metasearch": "1"}).status_code == 303
    same_site = {"X-Metasearch": "1", "Sec-Fetch-Site": "same-site"}
    assert own.post("/logout", headers=same_site).status_code == 403


def test_another_site_may_link_but_not_embed(own: httpx.Client) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert own.get("/", headers={**elsewhere, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert own.get("/", headers={**elsewhere, "Sec-Fetch-Mode": "no-cors"}).status_code == 403


def test_large_and_unmeasured_bodies_are_refused(own: httpx.Client) -> None:
    headers = {"X-Metasearch": "1"}
    assert own.post("/logout", headers=headers, content=b"x" * 1_000_001).status_code == 413
    assert own.post("/logout", headers=headers, content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/campaigns", "/api/nothing", "/login"])
def test_every_answer_has_the_headers(own: httpx.Client, path: str) -> None:
    headers = own.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "unsafe" not in CSP


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fpyproject.toml",
        "/static//etc/passwd",
        "/static/",
        "/static/VENDORED.toml",
        "/static/htmx.org-4.0.1/../../app.py",
        "/../../../etc/passwd",
        "/static/%00",
    ],
)
def test_no_path_leads_to_the_file_system(own: httpx.Client, path: str) -> None:
    raw = own.base_url.copy_with(raw_path=path.encode())
    assert own.get(raw).status_code == 404


def test_without_the_token_there_is_only_the_door(stranger: httpx.Client) -> None:
    answer = stranger.get("/?q=x&state=")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2F%3Fq%3Dx%26state%3D"
    answer = stranger.get("/api/campaigns")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert stranger.get("/api/openapi.json").status_code == 401
    assert stranger.get("/login").status_code == 200


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", "ä" * 20, TOKEN.upper()])
def test_a_wrong_token_opens_nothing(stranger: httpx.Client, token: str) -> None:
    started = time.monotonic()
    answer = stranger.post("/login", data={"token": token})
    assert answer.status_code == 403
    assert "That is not the token" in answer.text
    assert "set-cookie" not in answer.headers
    assert time.monotonic() - started > 0.4
    bearer = f"Bearer {token}".strip().encode()
    assert stranger.get("/api/campaigns", headers={b"authorization": bearer}).status_code == 401


def test_login_opens_a_session_that_scripts_cannot_read(stranger: httpx.Client) -> None:
    answer = stranger.post("/login", data={"token": TOKEN, "next": "/?q=x"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?q=x"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert stranger.get("/").status_code == 200
    assert stranger.get("/api/campaigns").status_code == 200
    stranger.post("/logout", headers={"X-Metasearch": "1"})
    assert stranger.get("/").status_code == 303


def test_the_api_takes_a_bearer(guarded: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/api/campaigns", headers=headers).status_code == 200


def test_a_session_ends_and_cannot_be_made_up(
    stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(token=TOKEN)

    def cookie(value: str) -> dict[str, str]:
        return {"Cookie": f"{access.cookie}={value}"}

    forged = f"{int(time.time()) + 1000}.{'0' * 64}"
    for value in (forged, "", ".", "9" * 30, access.new_session()[:-1]):
        assert stranger.get("/", headers=cookie(value)).status_code == 303
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: 0.0)
        old = access.new_session()
    assert stranger.get("/", headers=cookie(old)).status_code == 303
    fresh = access.new_session()
    assert stranger.get("/", headers=cookie(fresh)).status_code == 200


@pytest.mark.parametrize(
    "following", ["//evil.example", "https://evil.example", "/\\evil.example", "/\r\nX: y", "x"]
)
def test_login_leads_to_no_other_site(stranger: httpx.Client, following: str) -> None:
    answer = stranger.post("/login", data={"token": TOKEN, "next": following})
    assert answer.headers["location"] == "/"
