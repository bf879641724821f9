"""The API as OpenAPI describes it: no answer is undocumented, and none is a 5xx."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from metasearch.archive import Archive
from tests.web.kit import Serve

pytestmark = pytest.mark.slow


@pytest.fixture
def own(archive_file: Path, tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    """A server over a copy of the archive: some operations write to it."""
    path = tmp_path / "archive.db"
    with (
        contextlib.closing(sqlite3.connect(archive_file)) as archive,
        contextlib.closing(sqlite3.connect(path)) as copy,
    ):
        archive.backup(copy)
    with serve(path) as client:
        yield client


@pytest.mark.timeout(180)
def test_every_operation_answers_as_documented(
    own: httpx.Client, campaign: str, archive_file: Path
) -> None:
    with Archive.open(archive_file, read_only=True) as archive:
        before = archive.campaign(campaign).version()
    schema = schemathesis.openapi.from_dict(
        own.get("/api/openapi.json").json(), config=SchemathesisConfig()
    )
    schema.config.update(base_url=str(own.base_url))
    found = list(schema.get_all_operations())
    operations = [result.ok() for result in found if isinstance(result, Ok)]
    assert len(operations) == len(found)
    operations = [one for one in operations if not one.path.endswith("/stream")]
    assert len(operations) >= 14

    for operation in operations:
        strategy = operation.as_strategy()

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            case = data.draw(strategy)  # noqa: B023 - called before the next turn
            if data.draw(st.booleans()):
                known = {"campaign": campaign, "number": 0, "position": 0}
                case.path_parameters |= {
                    name: known[name] for name in case.path_parameters if name in known
                }
            # What a filter may say is more than a schema can: such a 422 names the term.
            case.call_and_validate(
                headers={"X-Metasearch": "1"}, excluded_checks=[positive_data_acceptance]
            )

        check()
    with Archive.open(archive_file, read_only=True) as archive:
        assert archive.campaign(campaign).version() == before


def test_the_description_has_examples(client: httpx.Client) -> None:
    described = client.get("/api/openapi.json").json()
    assert described["info"]["title"] == "metasearch"
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert "422" in operation["responses"]
            if "{campaign}" in path:
                assert "404" in operation["responses"]
    schemas = described["components"]["schemas"]
    examples = {name for name, schema in schemas.items() if "example" in schema}
    assert examples >= {"Problem", "Run", "CandidateItem", "EventItem"}
    for name in examples:
        assert set(schemas[name]["example"]) == set(schemas[name]["properties"])
