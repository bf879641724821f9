"""A campaign of ideas alone: a research goal and a model, no program and no evaluator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult
from metasearch.engine import run_campaign
from metasearch.errors import CampaignChanged, CampaignError, ModelError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import ExchangeState, Message
from metasearch.facts import Idea, Match, Overview, Recorded, Review, Selection
from metasearch.operators.funnel import Funnel
from metasearch.operators.idea_board import IdeaBoard
from metasearch.strategies.co_scientist_plateau import Plateau
from tests.strategies.kit import Killed, Laboratory, load
from tests.strategies.scientist import Scientist

GOAL = 'name = "goal"\ntask = "Why does it happen?"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "goal"
    folder.mkdir()
    (folder / "campaign.toml").write_text(GOAL + '[strategy]\nname = "co_scientist"\n')
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive.db", create=True) as opened:
        yield opened


def unmeasured(request: EvaluationRequest) -> EvaluationResult:
    raise AssertionError("nothing is to be measured")


class Bench:
    """One run that may be continued with other settings."""

    def __init__(self, archive: Archive, folder: Path, model: Any = None, **options: Any) -> None:
        self.folder, self.options = folder, options
        self.model = model or Scientist()
        campaign = self.campaign(ideas=8)
        self.laboratory = Laboratory(campaign, archive, self.model, unmeasured)
        self.archive = archive.create(campaign)

    def campaign(self, ideas: int | None, concurrency: int = 1) -> Any:
        return load(
            self.folder,
            "co_scientist",
            {"feedback_matches": 20, **self.options},
            budget__ideas=ideas,
            concurrency=concurrency,
        )

    def run(self, ideas: int | None = 8, concurrency: int = 1) -> str:
        self.laboratory.campaign = self.campaign(ideas, concurrency)
        self.archive.update(self.laboratory.campaign)
        return self.laboratory.run(self.archive)

    def of(self, kind: type[Any]) -> list[Any]:
        return [r.fact for r in self.archive.all_facts() if isinstance(r.fact, kind)]


def answered(run: CampaignArchive) -> Counter[tuple[int, int]]:
    """Place -> how many replies were stored for it."""
    calls = [e for step in range(run.next_step()) for e in run.exchanges(step)]
    return Counter((e.step, e.call) for e in calls if e.state is ExchangeState.ANSWERED)


def contents(run: CampaignArchive) -> list[tuple[int, object]]:
    return [(r.number, r.fact) for r in run.all_facts()]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_budget_in_ideas_is_kept_exactly_and_so_is_a_larger_one(
    archive: Archive, folder: Path, concurrency: int
) -> None:
    bench = Bench(archive, folder)
    assert bench.run(5, concurrency) == "ideas"
    assert len(bench.of(Idea)) == 5
    bought = sum(answered(bench.archive).values())
    assert bench.run(5, concurrency) == "ideas"
    assert sum(answered(bench.archive).values()) == bought
    assert bench.run(9, concurrency) == "ideas"
    assert len(bench.of(Idea)) == 9
    played = Counter(n for match in bench.of(Match) for n in match.contestants)
    board = IdeaBoard.of(bench.archive.all_facts())
    admitted = [each.number for each in board.ranking() if each.state == "admitted"]
    assert len(admitted) >= 8  # but for repetitions
    assert all(played[number] >= 4 for number in admitted)
    *_, overview = bench.of(Overview)
    assert overview.purpose == "summary"
    assert list(overview.ideas) == admitted


def test_without_any_budget_in_ideas_there_are_forty(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder)
    assert bench.run(None, concurrency=8) == "ideas"
    assert len(bench.of(Idea)) == 40


def test_nothing_but_ideas_is_archived_and_the_first_step_is_empty(
    archive: Archive, folder: Path
) -> None:
    bench = Bench(archive, folder)
    bench.run(4)
    assert list(bench.archive.candidates()) == []
    assert bench.archive.exchanges(0) == []
    resolved = bench.archive.resolved()
    assert not resolved.measures
    assert resolved.seed_program.files == {}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_run_continues_as_if_nothing_had_been(
    archive: Archive, folder: Path, seed: int
) -> None:
    reflections = ["deep", "observe", "recurrent"]
    whole = Bench(archive, folder, steady, reflections=reflections)
    whole.run()
    bench = Bench(archive, folder, steady, reflections=reflections)
    kills = bench.laboratory.run_killed(bench.archive, share=0.15, seed=seed)
    assert kills >= 3
    assert contents(bench.archive) == contents(whole.archive)
    assert max(answered(bench.archive).values()) == 1


def steady(messages: Sequence[Message]) -> str:
    """A scientist whose answer depends on the question alone, however often it is asked."""
    return Scientist()(messages)


def test_killed_while_winding_down_and_continued_with_more_ideas_buys_nothing_twice(
    archive: Archive, folder: Path
) -> None:
    scientist = Scientist()

    def dying(messages: Sequence[Message]) -> str:
        if scientist.asked["idea"] == 6 and scientist.asked["match"] >= 8:
            raise Killed
        return scientist(messages)

    bench = Bench(archive, folder, dying)
    with pytest.raises(Killed):
        bench.run(6, concurrency=4)
    begun = {
        r.step: r.fact.operator for r in bench.archive.all_facts() if isinstance(r.fact, Selection)
    }
    cut_off = {step.number for step in bench.archive.unfinished_steps()}
    assert cut_off
    bench.laboratory.answer = scientist
    assert bench.run(10, concurrency=4) == "ideas"
    assert len(bench.of(Idea)) == 10
    assert max(answered(bench.archive).values()) == 1
    # What was in flight went on as what it had been begun as.
    roles = {
        step: {call.role for call in bench.archive.exchanges(step)}
        for step, operator in begun.items()
        if step in cut_off and operator == "ranking.match"
    }
    assert roles
    assert all(found == {"judge"} for found in roles.values())


def test_killed_at_its_very_end_it_goes_on_with_more_ideas(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder)
    assert bench.run(4) == "ideas"
    last = bench.archive.open_step().number  # the one that would have found nothing left to do
    assert bench.run(7) == "ideas"
    assert len(bench.of(Idea)) == 7
    assert bench.archive.exchanges(last) == []
    assert bench.archive.unfinished_steps() == []


def test_the_better_idea_comes_out_on_top(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder, Scientist(best=5), matches_per_idea=6)
    bench.run(10)
    best = IdeaBoard.of(bench.archive.all_facts()).counts().best
    assert best is not None
    assert best.idea.title == "The known better one"


def test_observations_and_lost_matches_are_reviewed(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder, reflections=["observe", "recurrent"], matches_per_idea=6)
    bench.run(10)
    observed = [r for r in bench.of(Review) if r.method == "observe"]
    assert observed
    assert {r.label for r in observed} == {"missing piece"}
    assert "missing piece: It was seen." in observed[0].text
    lost: Counter[int] = Counter()
    again = []
    for recorded in bench.archive.all_facts():
        fact = recorded.fact
        if isinstance(fact, Match) and fact.shares is not None and fact.shares[0] != 0.5:
            lost[fact.contestants[fact.shares[0] > 0.5]] += 1
        elif isinstance(fact, Review) and fact.method == "recurrent":
            again.append(fact.idea)
            assert lost[fact.idea] >= 2
    assert again
    assert len(again) == len(set(again))
    asked = [user for kind, user in bench.model.prompts if kind == "review"]
    assert len(asked) == len(again)
    assert all("The worth decides." in user and "Looked at." in user for user in asked)


def test_a_plateau_among_the_best_ends_the_search(archive: Archive, folder: Path) -> None:
    options = {"plateau_epochs": 2, "feedback_matches": 4, "top": 2}
    bench = Bench(archive, folder, Scientist(best=2), **options)
    assert bench.run(60) == "plateau"
    summaries = [o for o in bench.of(Overview) if o.purpose == "summary"]
    tops = [frozenset(overview.ideas[:2]) for overview in summaries]
    assert tops[-1] == tops[-2] == tops[-3]
    assert len(bench.of(Idea)) < 60
    bought = sum(answered(bench.archive).values())
    assert bench.run(60) == "plateau"
    assert sum(answered(bench.archive).values()) == bought


def test_a_plateau_counts_epochs_and_any_order_of_the_best() -> None:
    def seen(epochs: int | None, *tops: tuple[int, ...]) -> bool:
        plateau = Plateau(epochs, top=2)
        for epoch, ideas in enumerate(tops, 1):
            plateau.learn(Overview(purpose="feedback", epoch=epoch, text=""))
            plateau.learn(Overview(purpose="summary", epoch=epoch, text="", ideas=ideas))
        return plateau.reached

    assert not seen(1, (3, 4, 5))
    assert seen(1, (3, 4, 5), (4, 3, 9))
    assert not seen(2, (3, 4), (4, 3))
    assert not seen(1, (3, 4), (3, 5))
    assert not seen(None, (3, 4), (3, 4), (3, 4))


def test_a_model_that_gives_no_idea_is_given_up(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder, Scientist(junk=["idea"]))
    with pytest.raises(ModelError, match="20 proposals in a row gave no idea"):
        bench.run()
    assert bench.model.asked["idea"] == 40  # twice each
    assert bench.of(Idea) == []
    assert {c.outcome for c in bench.archive.candidates()} == {"rejected"}


def test_a_few_unreadable_ideas_among_good_ones_do_no_harm(archive: Archive, folder: Path) -> None:
    scientist = Scientist()
    broken: Counter[str] = Counter()

    def moody(messages: Sequence[Message]) -> str:
        reply = scientist(messages)
        if '"mechanism"' in reply and scientist.asked["idea"] % 3:
            broken["idea"] += 1
            return "Hm."
        return reply

    bench = Bench(archive, folder, moody)
    assert bench.run(30) == "ideas"
    assert len(bench.of(Idea)) == 30
    assert broken["idea"] >= 40


def test_the_board_and_the_funnel_rate_alike(archive: Archive, folder: Path) -> None:
    bench = Bench(archive, folder)
    bench.run(10)
    facts = list(bench.archive.all_facts())
    funnel = Funnel(None, calls=1)
    for recorded in facts:
        funnel.learn(recorded)
    board = IdeaBoard.of(facts)
    assert {each.number: each.rating for each in board.ranking()} == funnel.ratings()
    counts = board.counts()
    assert counts.ideas == 10
    assert counts.reviews == len(bench.of(Review))
    assert counts.best == board.ranking()[0]


def test_a_line_of_ideas_ends_also_where_a_file_claims_a_circle() -> None:
    def idea(number: int, *parents: int) -> Recorded:
        fact = Idea(title=str(number), claim="c", operator="combine", parents=parents)
        return Recorded(number=number, seq=number, step=0, position=0, fact=fact)

    board = IdeaBoard.of([idea(1, 4), idea(2, 1), idea(3), idea(4, 2, 3, 7)])
    assert [each.number for each in board.line(4)] == [4, 3, 2, 1]
    assert [each.number for each in board.children(1)] == [2]
    with pytest.raises(KeyError):
        board.idea(9)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [("map_elites", "choose a strategy for ideas alone: co_scientist"), ("mcts", "program.py")],
)
def test_other_strategies_say_what_they_lack(tmp_path: Path, strategy: str, said: str) -> None:
    (tmp_path / "campaign.toml").write_text(GOAL)
    campaign = load_campaign(tmp_path, {"strategy.name": strategy})
    with pytest.raises(CampaignError, match=said):
        asyncio.run(run_campaign(campaign, tmp_path / "archive.db"))
    assert not (tmp_path / "archive.db").exists()


def test_a_budget_in_ideas_is_for_those_who_have_ideas(tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").write_text(GOAL + '[objectives]\nx = "maximize"\n')
    (tmp_path / "program.py").write_text("")
    (tmp_path / "evaluator.py").write_text("")
    campaign = load_campaign(tmp_path, {"budget.ideas": 5})
    with pytest.raises(CampaignError, match="does not work on ideas"):
        asyncio.run(run_campaign(campaign, tmp_path / "archive.db"))


@pytest.mark.parametrize(
    ("more", "file", "said"),
    [
        ("", "evaluator.py", "'objectives' is missing, but there is evaluator.py"),
        ("", "program.py", "'objectives' is missing, but there is program.py"),
        ("[budget]\nevaluations = 9\n", "", "budget.evaluations' is given.*budget.ideas"),
        ("[budget]\ntarget = 1.0\n", "", "'budget.target' is given"),
        ("[evaluator]\nrepeats = 2\n", "", "'evaluator' is given"),
        ('[program]\nfiles = ["p.c"]\n', "", "'program' is given"),
    ],
)
def test_half_a_measured_campaign_is_an_error(
    folder: Path, more: str, file: str, said: str
) -> None:
    (folder / "campaign.toml").write_text(GOAL + more)
    if file:
        (folder / file).write_text("")
    with pytest.raises(CampaignError, match=said):
        load_campaign(folder)


def test_another_goal_is_another_campaign(folder: Path, tmp_path: Path) -> None:
    settings = {"models.default": "offline/evolve", "budget.ideas": 1}
    file = tmp_path / "archive.db"
    asyncio.run(run_campaign(load_campaign(folder, settings), file))
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace("Why does", "When does"))
    with pytest.raises(CampaignChanged, match=r"The research goal of 'goal' changed.* --fresh"):
        asyncio.run(run_campaign(load_campaign(folder, settings), file))
