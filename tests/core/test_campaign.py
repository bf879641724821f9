"""The campaign file: strict, with errors that name key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.campaign import CampaignFile, Ensemble, ModelSection
from metasearch.campaign_file import load_campaign
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationSpec

MINIMAL = 'task = "Do it."\n[objectives]\nscore = "maximize"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text("def f(): return 1\n")
    (tmp_path / "evaluator.py").write_text("def evaluate(candidate): return {'score': 1}\n")
    (tmp_path / "campaign.toml").write_text(MINIMAL)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "campaign.toml").write_text(text)
    return folder


def test_the_minimal_file_has_defaults_for_all_the_rest(folder: Path) -> None:
    campaign = load_campaign(folder)
    assert campaign.name == folder.name.replace("[", "_").replace("]", "_")
    assert campaign.settings.strategy.name == "map_elites"
    assert campaign.seed_program.files == {"program.py": "def f(): return 1\n"}
    assert list(campaign.evaluator_files) == ["evaluator.py"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "[budget]\nevalutions = 5\n", "'budget.evalutions'; did you mean 'evaluations'"),
        (MINIMAL + "[sandbox]\nmemroy = 5\n", "did you mean 'memory'"),
        (MINIMAL + "[sandbox]\ngpus = 1.5\n", "'sandbox.gpus' is 1.5: "),
        (MINIMAL + "[sandbox]\ngpus = 1.5\n", "leased whole (1, 2, ...)"),
        (MINIMAL + "[sandbox]\ngpus = -1\n", "'sandbox.gpus' is -1"),
        (MINIMAL + "[sandbox]\nmemory = 'much'\n", "'sandbox.memory' is 'much'"),
        (MINIMAL + "[budget]\nevaluations = 'many'\n", "'budget.evaluations' is 'many'"),
        (MINIMAL + "[budget]\nevaluations = true\n", "'budget.evaluations' is True"),
        (MINIMAL + "[budget]\nusd = '5'\n", "'budget.usd' is '5'"),
        (MINIMAL + "[evaluator]\ntest = 'yes'\n", "'evaluator.test' is 'yes'"),
        (MINIMAL + "[evaluator]\nkeep_artifacts = 'best'\n", "should be 'all', 'elites' or 'none'"),
        (MINIMAL + "[evaluator]\nartifact_space = 'lots'\n", "'lots' is not a size like '512 MB'"),
        (MINIMAL + "[budget]\nusd = 2026-01-01\n", "'budget.usd' is '2026-01-01'"),
        (MINIMAL + "[models]\ntemperature = 7\n", "'models.temperature' is 7"),
        (MINIMAL + "[agent]\ncals = 7\n", "'agent.cals'; did you mean 'calls'"),
        (MINIMAL + "[agent]\nseconds = 0\n", "'agent.seconds' is 0"),
        (MINIMAL + "[agent]\nconcurrency = 65\n", "'agent.concurrency' is 65"),
        ('task = "x"\n[objectives]\nscore = "bigger"\n', "'objectives.score' is 'bigger'"),
        ("[objectives]\nscore = 'maximize'\n", "'task' is missing"),
        (MINIMAL + "[program]\nfiles = ['progam.py']\n", "Did you mean 'program.py'"),
        (MINIMAL + "[program]\nfiles = ['../x.py']\n", "program.files"),
        (MINIMAL + "[evaluator]\nfile = 'e.py'\nmodule = 'm'\n", "give one of them"),
        ("task = \n", "not valid TOML"),
        (MINIMAL + "[evaluator]\nprivate = ['score']\n", "evaluator.private names 'score', which"),
        (MINIMAL + "[evaluator]\nmetrics = ['score']\n", "evaluator.metrics names 'score', which"),
        (MINIMAL + "[evaluator]\nmetrics = ['a']\nprivate = ['a']\n", "both name 'a'"),
        (MINIMAL + "[program]\nfiles = []\n", "'program.files' is []: "),
        (MINIMAL + "[models]\napi_base = 'localhost'\n", "'models.api_base' is 'localhost'"),
        (
            MINIMAL + "[models.api_bases]\n'a/b' = 'ftp://c'\n",
            "'models.api_bases.\"a/b\"' is 'ftp:",
        ),
        ('task = "x"\n[objectives]\n"" = "maximize"\n', "objectives has an empty name"),
        (MINIMAL + "[models]\npropose = []\n", "'models.propose' is []: "),
        (MINIMAL + "[models]\npropose = 3\n", "'models.propose' is 3: "),
        (MINIMAL + "[models]\npropose = ['a', 3]\n", "'models.propose.1' is 3: "),
        (MINIMAL + "[models]\npropose = ['a', 'a']\n", "'a' is named twice"),
        (MINIMAL + "[models.propose]\nchoose = 'ucb'\n", "'models.propose.models' is missing"),
        (MINIMAL + "[models.propose]\nmodels = ['a', 'a']\n", "'a' is named twice"),
        (MINIMAL + "[models.propose]\nmodels = {a = 0}\n", "'models.propose.models.a' is 0"),
        (
            MINIMAL + "[models.propose]\nmodels = ['a']\nchoose = 'ucb1'\n",
            "'models.propose.choose' is 'ucb1': Input should be 'weights', 'ucb' or 'thompson'",
        ),
        (
            MINIMAL + "[models.propose]\nmodels = ['a']\nchose = 'ucb'\n",
            "unknown key 'models.propose.chose'; did you mean 'choose'?",
        ),
        (
            MINIMAL + "[models.propose]\nmodels = ['a']\ntemperatures = [3]\n",
            "'models.propose.temperatures.0' is 3: ",
        ),
        (
            MINIMAL + "[models.default]\nmodels = ['a']\nchoose = 'ucb'\n[agent]\n",
            "models.agent is chosen by 'ucb', so that candidates would be measured with different",
        ),
    ],
)
def test_each_mistake_is_one_clear_error(folder: Path, text: str, expected: str) -> None:
    with pytest.raises(CampaignError, match=r"campaign\.toml") as raised:
        load_campaign(write(folder, text))
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (MINIMAL + "[sandbox]\ntimeout = inf\n", "sandbox.timeout"),
        (MINIMAL + "[budget]\ntarget = nan\n", "budget.target"),
        (MINIMAL + "[strategy.options]\nweights = [1.0, -inf]\n", "strategy.options.weights.1"),
    ],
)
def test_a_number_that_json_cannot_hold_is_refused(folder: Path, text: str, key: str) -> None:
    """It was stored as null, and then the whole archive could not be read any more."""
    with pytest.raises(CampaignError, match=f"{key!r} is .*finite"):
        load_campaign(write(folder, text))


def test_an_override_is_held_to_the_same(folder: Path) -> None:
    write(folder, MINIMAL)
    with pytest.raises(CampaignError, match=r"'budget.usd' is inf"):
        load_campaign(folder, {"budget.usd": float("inf")})


@pytest.mark.parametrize("gpus", [0.001, 0.25, 1, 8])
def test_gpus_are_whole_or_a_part_of_one(folder: Path, gpus: float) -> None:
    text = f"{MINIMAL}[sandbox]\ngpus = {gpus}\n"
    assert load_campaign(write(folder, text)).settings.sandbox.gpus == gpus


def test_a_missing_folder_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="metasearch init"):
        load_campaign(tmp_path / "nowhere")


def test_a_link_that_leaves_the_folder_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.py"
    elsewhere.write_text("secret")
    (folder / "linked.py").symlink_to(elsewhere)
    with pytest.raises(CampaignError, match="outside the folder"):
        load_campaign(write(folder, MINIMAL + "[program]\nfiles = ['linked.py']\n"))


def test_overrides_take_the_files_place(folder: Path) -> None:
    campaign = load_campaign(folder, {"budget.evaluations": 7, "models.default": "m", "seed": None})
    assert campaign.settings.budget.evaluations == 7
    assert campaign.settings.models.model_for("judge") == "m"
    assert campaign.settings.seed == 0


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("budget = 5\n" + MINIMAL, "budget.evaluations", "'budget' is 5; it must be a table"),
        (MINIMAL, "task.length", "'task' is 'Do it.'; it must be a table"),
        (MINIMAL + "[models]\nprices = []\n", "models.prices.m", "'models.prices' is []"),
    ],
)
def test_an_override_within_what_is_no_table_is_a_clear_error(
    folder: Path, text: str, key: str, expected: str
) -> None:
    with pytest.raises(CampaignError, match=r"campaign\.toml") as raised:
        load_campaign(write(folder, text), {key: 7})
    assert expected in str(raised.value)


def test_a_role_names_a_model_several_or_an_ensemble(folder: Path) -> None:
    text = """
        [models]
        judge = "j"
        review = ["a", "b"]
        [models.propose]
        models = { "a/x" = 3, "b/y" = 1 }
        choose = "thompson"
        temperatures = [0.4, 1]
        [models.default]
        models = ["d"]
    """
    models = load_campaign(write(folder, MINIMAL + text)).settings.models
    assert models.ensemble_for("judge") == Ensemble(models={"j": 1.0})
    assert models.ensemble_for("review") == Ensemble(models={"a": 1.0, "b": 1.0})
    assert models.ensemble_for("propose") == Ensemble(
        models={"a/x": 3.0, "b/y": 1.0}, choose="thompson", temperatures=(0.4, 1.0)
    )
    assert models.models_for("agent") == ("d",)
    assert set(models.ensembles) == {"review", "propose"}
    assert ModelSection.model_validate_json(models.model_dump_json()) == models


def test_sizes_are_read_with_their_units(folder: Path) -> None:
    campaign = load_campaign(
        write(folder, MINIMAL + "[sandbox]\nmemory = '1.5 GiB'\ndisk = '2MB'\n")
    )
    assert campaign.settings.sandbox.memory == 3 * 2**29
    assert campaign.settings.sandbox.disk == 2_000_000


def test_the_evaluators_digest_covers_what_decides_a_score(folder: Path) -> None:
    before = load_campaign(folder).evaluator_digest
    assert (
        load_campaign(write(folder, MINIMAL + "[budget]\nevaluations = 9\n")).evaluator_digest
        == before
    )
    assert (
        load_campaign(write(folder, MINIMAL + "[evaluator]\nrepeats = 3\n")).evaluator_digest
        != before
    )
    write(folder, MINIMAL)
    (folder / "evaluator.py").write_text("def evaluate(candidate): return {'score': 2}\n")
    assert load_campaign(folder).evaluator_digest != before


def test_python_files_beside_the_evaluator_are_part_of_it(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = load_campaign(folder)
    for name in ("zeta.py", "helper.py", "notes.txt", ".#helper.py"):
        (folder / name).write_text("X = 1\n")
    (folder / "package").mkdir()
    (folder / "package" / "inner.py").write_text("X = 1\n")
    (folder / "folder.py").mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.py"
    elsewhere.write_text("secret")
    (folder / "linked.py").symlink_to(elsewhere)
    (folder / "dangling.py").symlink_to("nowhere.py")
    before = load_campaign(folder)
    assert list(before.evaluator_files) == ["evaluator.py", "helper.py", "zeta.py"]
    assert before.evaluator_digest != alone.evaluator_digest
    (folder / "helper.py").write_text("X = 2\n")
    assert load_campaign(folder).evaluator_digest != before.evaluator_digest


def test_the_program_and_what_is_named_otherwise_is_no_sibling(folder: Path) -> None:
    (folder / "second.py").write_text("X = 1\n")
    text = MINIMAL + "[program]\nfiles = ['program.py', 'second.py']\n"
    text += "[evaluator]\nfile = './evaluator.py'\n"
    assert list(load_campaign(write(folder, text)).evaluator_files) == ["./evaluator.py"]


def test_an_evaluator_from_elsewhere_has_no_siblings(folder: Path) -> None:
    (folder / "helper.py").write_text("X = 1\n")
    assert (
        load_campaign(write(folder, MINIMAL + "[evaluator]\nmodule = 'm'\n")).evaluator_files == {}
    )


def test_what_stands_beside_the_evaluator_is_bounded(folder: Path) -> None:
    for number in range(100):
        (folder / f"part{number}.py").write_text("X = 1\n")
    assert len(load_campaign(folder).evaluator_files) == 101
    (folder / "one_more.py").write_text("X = 1\n")
    with pytest.raises(CampaignError, match=r"101 \.py files beside the evaluator.*most is 100"):
        load_campaign(folder)


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (1, 4_000_001, "beside the evaluator is 'part0.py', which is over 4 MB"),
        (3, 3_500_000, "10 MB"),
    ],
)
def test_large_files_beside_the_evaluator_are_refused(
    folder: Path, count: int, size: int, expected: str
) -> None:
    for number in range(count):
        (folder / f"part{number}.py").write_text("#" * size)
    with pytest.raises(CampaignError) as raised:
        load_campaign(folder)
    assert expected in str(raised.value)


def test_candidates_may_ask_only_if_the_file_says_so(folder: Path) -> None:
    silent = load_campaign(folder)
    assert silent.settings.agent.calls == 0
    assert EvaluationSpec.of(silent).asks_at_once == 0
    given = load_campaign(write(folder, MINIMAL + "[agent]\nconcurrency = 3\n"))
    assert given.settings.agent.calls == 100
    assert EvaluationSpec.of(given).asks_at_once == 3
    off = load_campaign(write(folder, MINIMAL + "[agent]\ncalls = 0\n"))
    assert EvaluationSpec.of(off).asks_at_once == 0
    stored = given.settings.model_dump_json()
    assert CampaignFile.model_validate_json(stored) == given.settings


def test_own_prompt_templates_take_the_place_of_ours(folder: Path) -> None:
    write(folder, MINIMAL)
    ours = load_campaign(folder).prompts
    assert {"task", "repair", "structured"} <= set(ours)
    (folder / "prompts").mkdir()
    (folder / "prompts" / "repair.md.j2").write_text("Again: {{ reason }}")
    assert load_campaign(folder).prompts == {**ours, "repair": "Again: {{ reason }}"}


@pytest.mark.parametrize(
    ("name", "text", "pattern"),
    [
        ("evolv.md.j2", "", "no prompt template 'evolv'. Did you mean 'evolve'?"),
        ("zzzzzz.md.j2", "", "no prompt template 'zzzzzz'. There are: .*answer_block, .*top"),
        ("task.md", "", "prompts/task.md is no prompt template; these are named NAME.md.j2"),
        ("task.md.j2", "a\n{% if %}", "template 'task', line 2: "),
        ("task.md.j2", "\udc80", "can't decode"),
    ],
)
def test_a_wrong_prompt_template_is_named(folder: Path, name: str, text: str, pattern: str) -> None:
    write(folder, MINIMAL)
    (folder / "prompts").mkdir()
    (folder / "prompts" / name).write_text(text, errors="surrogateescape")
    with pytest.raises(CampaignError, match=pattern):
        load_campaign(folder)
