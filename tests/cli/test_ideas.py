"""What the commands say of a campaign of ideas alone, and the report on it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from typer.testing import Result

from metasearch.archive import Archive
from metasearch.campaign import Budget, Campaign
from metasearch.campaign_file import load_campaign
from metasearch.cli.dashboard import Dashboard
from metasearch.cli.observers import PlainLines
from metasearch.cli.report import plain, quoted
from metasearch.cli.report_page import page
from metasearch.engine import Report
from metasearch.exchange import Usage
from metasearch.facts import (
    AnyFact,
    Assumption,
    Idea,
    Match,
    Overview,
    Plan,
    Recorded,
    Review,
    Turn,
)
from metasearch.operators.idea_board import IdeaBoard

Invoke = Callable[..., Result]

EVIL = (
    """<script>alert(1)</script><img src=x onerror="alert(2)"> [click](javascript:alert(3))
![pixel](http://evil.example/track.png) <http://evil.example> [ref][1] `code` <b>bold</b> &lt;i&gt;
[1]: javascript:alert(4)
</blockquote></body></html>
# A heading of theirs
## Idea 1
~~~
an open fence | with | pipes
--- \\[a](javascript:alert(5))
<svg onload=alert(6)> """
    + "x" * 5_000
)


def stored(folder: Path, facts: Sequence[AnyFact]) -> Path:
    """An archive with one campaign of ideas, each fact in a step of its own."""
    (folder / "campaign.toml").write_text(
        f'name = "goal"\ntask = {json.dumps("Why? " + EVIL)}\n[strategy]\nname = "co_scientist"\n'
        "[budget]\nideas = 9\n"
    )
    path = folder / "archive.db"
    with Archive.open(path, create=True) as archive:
        run = archive.create(load_campaign(folder))
        with run.hold():
            run.end_step(run.open_step().number)
            for fact in facts:
                step = run.open_step()
                run.record(step.number, 0, fact)
                run.end_step(step.number)
            run.finish("ideas")
    return path


def idea(text: str, *parents: int) -> Idea:
    return Idea(
        title=text,
        claim=text,
        mechanism=text,
        expected=text,
        assumptions=(text, text),
        operator="combine" if parents else "explore",
        parents=parents,
    )


def passed(number: int, text: str = "Sound.") -> Review:
    return Review(idea=number, method="initial", verdict="pass", text=text, novelty=4)


def won(first: int, second: int, share: float | None, text: str = "Because.") -> Match:
    return Match(
        between="ideas",
        contestants=(first, second),
        shares=None if share is None else (share, 1 - share),
        mode="debate",
        transcript=(Turn(speaker=text, text=text),),
        rationale=text,
    )


FACTS: list[AnyFact] = [
    Plan(goal="Why?", criteria=("It tells much.",)),
    idea("Friction"),  # 1
    idea("Heat"),  # 2
    idea("Both", 1, 2),  # 3
    passed(1),
    passed(2),
    passed(3),
    idea("Magic"),  # 7
    Review(idea=7, method="initial", verdict="fail", text="No mechanism."),
    won(1, 2, 0.9),
    won(3, 1, 0.8),
    won(2, 3, None),
    Overview(purpose="summary", epoch=0, text="# Two directions", ideas=(3, 1, 2)),
]


@pytest.fixture
def ideas(tmp_path: Path) -> Path:
    return stored(tmp_path, FACTS)


HOSTILE = "\x1b[2J[red]gone[/red]"


def thinking(folder: Path) -> tuple[Campaign, Report]:
    """A campaign of ideas alone, and where it stands."""
    stored(folder, [])
    facts = [*FACTS, idea(HOSTILE)]
    board = IdeaBoard()
    for number, fact in enumerate(facts):
        board.learn(Recorded(number=number, seq=number, step=number, position=0, fact=fact))
    report = Report(
        campaign="goal-abc123",
        budget=Budget(ideas=9, usd=2.0),
        evaluations=0,
        outcomes={},
        best=None,
        usage=Usage(input_tokens=12_000, output_tokens=345, usd=0.125),
        seconds=75.0,
        asking=3,
        evaluating=0,
        lanes=0,
        ideas=board.counts(),
    )
    return load_campaign(folder), report


def test_lines_tell_of_each_idea_and_of_where_it_stands(tmp_path: Path) -> None:
    campaign, report = thinking(tmp_path)
    lines: list[str] = []
    plain = PlainLines(campaign, lines.append)
    plain.started(report, resumed=True)
    plain.recorded(Recorded(number=13, seq=1, step=1, position=0, fact=idea(HOSTILE)))
    plain.recorded(Recorded(number=14, seq=2, step=2, position=0, fact=passed(13)))
    plain.finished(report, "ideas")
    assert lines[0] == "goal-abc123 continues after 5 ideas: co_scientist, offline/evolve"
    assert lines[1] == "idea 13 (explore): ␛[2J[red]gone[/red]"
    assert re.fullmatch(
        r"5/9 ideas \(1 discarded\); best 12\d\d ± \d+, idea 3: Both; 4 reviews, 2 matches; "
        r"3 calls in flight; 12\.3k tokens, \$0\.12; 1m15s",
        lines[2],
    )
    assert len(lines) == 3


def test_the_dashboard_shows_ideas_and_no_empty_scores(tmp_path: Path) -> None:
    campaign, report = thinking(tmp_path)
    dashboard = Dashboard(campaign, Console(file=io.StringIO(), width=100, height=30))
    dashboard.started(report, resumed=False)
    dashboard.recorded(Recorded(number=13, seq=1, step=1, position=0, fact=idea(HOSTILE)))
    out = Console(file=io.StringIO(), width=100, height=30)
    out.print(dashboard.picture.draw(100, 30))
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()
    assert re.search(r"best +12\d\d ± \d+, idea 3: Both", shown)
    assert "5 ideas (1 discarded), 4 reviews, 2 matches with a verdict" in shown
    assert "5/9" in shown
    assert "idea 13 (explore): ␛[2J[red]gone[/red]" in shown
    assert not {"lanes", "candidates", "evaluations"} & set(shown.split())


@pytest.fixture
def told(ideas: Path, invoke: Invoke) -> Callable[..., str]:
    def command(*words: object) -> str:
        result = invoke(*words, "--archive", ideas)
        assert result.exit_code == 0, result.output
        return result.stdout

    return command


def test_status_and_list_tell_of_ideas_and_of_no_scores(told: Callable[..., str]) -> None:
    status = told("status", "goal")
    assert re.search(r"best +12\d\d ± \d+, idea 3: Both", status)
    assert re.search(r"ideas +4 of 9", status)
    assert "4 ideas (1 discarded), 4 reviews, 2 matches with a verdict" in status
    assert "evaluations" not in status
    assert "outcomes" not in status
    listed = told("list")
    assert "idea 3" in listed
    assert "4 ideas" in listed


def test_status_and_list_tell_programs_the_same(told: Callable[..., str]) -> None:
    record = json.loads(told("status", "goal", "--json"))
    assert record["best"] is None
    assert record["objectives"] == {}
    counts = record["ideas"]
    assert {k: v for k, v in counts.items() if k != "best"} == {
        "ideas": 4,
        "discarded": 1,
        "reviews": 4,
        "matches": 2,
    }
    best = counts["best"]
    assert best["idea"] == 3
    assert best["low"] < 1200 < best["rating"] < best["high"]
    [listed] = json.loads(told("list", "--json"))
    assert listed["ideas"] == counts


def test_best_and_show_print_an_idea_with_all_that_was_said(told: Callable[..., str]) -> None:
    best = told("best", "goal")
    assert "idea 3: Both" in best
    assert "from ideas  1, 2" in best
    assert "review (initial): pass" in best
    assert "2 against 3: no valid verdict" in best
    assert best.index("Magic") > best.index("Heat")
    assert told("show", "goal") == best
    shown = told("show", "goal#1")
    assert "led to ideas  3" in shown
    assert "1 against 2: 0.90 to 0.10" in shown
    record = json.loads(told("show", "goal", "3", "--json"))
    assert record["parents"] == [1, 2]
    assert [played["match"] for played in record["played"]] == [10, 11]
    assert json.loads(told("best", "goal", "--json")) == record


def test_lineage_goes_from_idea_to_idea(told: Callable[..., str]) -> None:
    record = json.loads(told("lineage", "goal#3", "--json"))
    assert [each["idea"] for each in record["lineage"]] == [3, 2, 1]
    assert "Friction" in told("lineage", "goal")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "goal#5"), "has no idea 5; there are: 1, 2, 3, 7"),
        (("diff", "goal#1", "goal#2"), "has ideas and no candidates"),
        (("health", "goal"), "has ideas and no candidates"),
        (("export", "goal", "--format", "csv"), "take --format report"),
    ],
)
def test_what_does_not_fit_says_so(
    ideas: Path, invoke: Invoke, words: tuple[str, ...], said: str
) -> None:
    result = invoke(*words, "--archive", ideas)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_program_to_evaluate_is_missed_in_words(tmp_path: Path, invoke: Invoke) -> None:
    stored(tmp_path, [])
    result = invoke("evaluate", tmp_path)
    assert result.exit_code == 2
    assert "campaign of ideas alone" in result.stderr


def test_nothing_to_show_or_report_yet(tmp_path: Path, invoke: Invoke) -> None:
    file = stored(tmp_path, [])
    assert "none yet" in invoke("status", "goal", "--archive", file).stdout
    for words, said in (
        (("best", "goal"), "has no idea yet"),
        (("lineage", "goal"), "has no idea yet"),
        (("export", "goal", "--to", tmp_path / "out"), "no ideas to report on"),
    ):
        result = invoke(*words, "--archive", file)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_report_has_all_of_it(tmp_path: Path, told: Callable[..., str]) -> None:
    folder = tmp_path / "out"
    told("export", "goal", "--format", "report", "--to", folder)
    text = (folder / "report.md").read_text("utf-8")
    for part in (
        "> Why?",
        "> - It tells much.",
        "> # Two directions",
        "| [3](#idea-3) |",
        "## Idea 3\n\n**Both**",
        "from [1](#idea-1), [2](#idea-2).",
        "**Review (initial): fail**\n\n> No mechanism.",
        "- [match 10](#match-10) against idea [1](#idea-1): won (0.80)",
        "### Match 10\n\nidea [3](#idea-3) against idea [1](#idea-1): 0.80 to 0.20 (debate).",
        "**Judge**\n\n> Because.",
        "no valid verdict",
        "## Cost",
        "placeholders drawn by lot",  # it would be asked of the offline model
    ):
        assert part in text, part
    html = (folder / "report.html").read_text("utf-8")
    assert '<h2 id="idea-3">Idea 3</h2>' in html
    assert '<a href="#idea-1">1</a>' in html
    assert {each["idea"] for each in json.loads((folder / "ideas.json").read_text())} == {
        1,
        2,
        3,
        7,
    }
    assert told("export", "goal", "--to", tmp_path / "same")
    assert (tmp_path / "same" / "report.md").read_text("utf-8") == text


def test_a_report_overwrites_nothing(tmp_path: Path, ideas: Path, invoke: Invoke) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep")
    words = ("export", "goal", "--format", "report", "--to", tmp_path / "mine")
    result = invoke(*words, "--archive", ideas)
    assert result.exit_code == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "strong", "em"}
OURS |= {"a", "blockquote", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"}


def test_hostile_texts_are_inert_in_both_forms(tmp_path: Path, invoke: Invoke) -> None:
    facts: list[AnyFact] = [
        Plan(goal=EVIL, criteria=(EVIL,), constraints=(EVIL,), attributes=(EVIL,)),
        idea(EVIL),
        idea(EVIL, 1),
        passed(1, EVIL),
        Review(
            idea=2,
            method=EVIL,
            verdict=None,
            text=EVIL,
            label=EVIL,
            assumptions=(Assumption(claim=EVIL, check=EVIL),),
        ),
        won(1, 2, 0.5, EVIL),
        Overview(purpose="summary", text=EVIL, ideas=(1,)),
        Overview(purpose="feedback", text=EVIL),
    ]
    file, folder = stored(tmp_path, facts), tmp_path / "out"
    words = ("export", "goal", "--format", "report", "--to", folder)
    assert invoke(*words, "--archive", file).exit_code == 0
    html = (folder / "report.html").read_text("utf-8")
    told = Elements(html)
    assert {tag for tag, _ in told.found} <= OURS
    assert "alert(1)" in told.text  # it is there, as text
    for tag, attributes in told.found:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
        if tag == "a":
            assert re.fullmatch(r"#(idea|match)-\d+", attributes["href"] or "")
        if tag == "meta" and "http-equiv" in attributes:
            assert "default-src 'none'" in (attributes["content"] or "")
    anchors = [attributes["id"] for _, attributes in told.found if "id" in attributes]
    assert sorted(map(str, anchors)) == ["idea-1", "idea-2", "match-5"]
    assert told.text.count("Cost") == 1  # nothing swallowed what follows
    # Read by whoever renders HTML in Markdown, and follows its links.
    loose = MarkdownIt("commonmark", {"html": True}).enable("table")
    loose.validateLink = lambda url: True  # type: ignore[method-assign]
    read = Elements(loose.render((folder / "report.md").read_text("utf-8")))
    assert {tag for tag, _ in read.found} <= OURS | {"br", "hr"}
    links = [attributes["href"] or "" for tag, attributes in read.found if tag == "a"]
    assert links
    assert all(re.fullmatch(r"#(idea|match)-\d+", link) for link in links)


def test_quotations_keep_lists_and_emphasis() -> None:
    told = Elements(page("t", quoted("- **one**\n- two < three, [x](y) and `z`")))
    tags = [tag for tag, _ in told.found]
    assert "li" in tags
    assert "strong" in tags
    assert "two < three, [x](y) and `z`" in told.text
    assert quoted(" \n ") == ""


def test_a_title_stays_one_plain_cell() -> None:
    told = Elements(page("t", f"| a | b |\n|---|---|\n| {plain('x | *y* `z` &amp; <b>')} | c |"))
    assert [tag for tag, _ in told.found].count("td") == 2
    assert "x | *y* `z` &amp; <b>" in told.text
