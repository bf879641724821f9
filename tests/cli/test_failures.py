"""How commands fail: exit code, one message, nothing obeyed, and a last JSON line."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from metasearch import errors
from metasearch.cli.failures import guarded


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @guarded
    def command(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ArchiveError("m"), 1),
        (errors.EvaluatorError("m"), 1),
        (errors.UsageError("m"), 2),
        (errors.CampaignChanged("m"), 2),
        (errors.PrerequisiteError("m"), 3),
        (errors.ModelSetupError("m"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("m"), 1),
    ],
)
def test_the_exit_code_says_what_kind_it_was(error: BaseException, code: int) -> None:
    assert CliRunner().invoke(failing(error)).exit_code == code


def test_a_known_error_is_its_message_and_notes_without_a_traceback() -> None:
    error = errors.ArchiveError("[bold]No[/bold] room. \x1b[2JFree some.")
    error.add_note("Also this.")
    result = CliRunner().invoke(failing(error))
    assert result.stderr == "Error: [bold]No[/bold] room. ␛[2JFree some.\nAlso this.\n"
    assert result.stdout == ""


def test_a_note_that_repeats_the_message_is_left_out() -> None:
    error = errors.ArchiveError("The disk is full.")
    error.add_note("The disk is full.")
    assert CliRunner().invoke(failing(error)).stderr == "Error: The disk is full.\n"


def test_a_bug_keeps_its_traceback_and_says_that_nothing_is_lost() -> None:
    result = CliRunner().invoke(failing(ZeroDivisionError("by \x1b[31mzero")))
    assert "Traceback" in result.stderr
    assert "by ␛[31mzero" in result.stderr
    assert "Nothing that the archive holds is lost" in result.stderr


def test_with_json_the_last_line_is_the_error() -> None:
    result = CliRunner().invoke(failing(errors.UsageError("wrong")), ["--json"])
    assert json.loads(result.stdout) == {"event": "error", "type": "UsageError", "error": "wrong"}
    assert result.stderr == "Error: wrong\n"
