"""A whole campaign under siege: engine, lanes, archive and command line, all attacks in one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.program import Program
from tests.redteam.attack import HONEST_SCORE, Record
from tests.redteam.catalogue import ATTACKS
from tests.redteam.ground import ARCHIVE, besieged

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


def metasearch(*words: str) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.timeout(300)
def test_a_campaign_of_attacks_ends_well_and_the_honest_seed_is_best(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    archive = ("--archive", str(tmp_path / ARCHIVE))
    with besieged(tmp_path, 'provider = "bubblewrap"') as hidden:
        metasearch(
            *("run", str(tmp_path), *archive, "--strategy", "tests.redteam.besieger:Besieger"),
            *("--evaluations", str(len(ATTACKS) + 1), "--json"),
        )
    attacks = {Program(files=attack.files).digest: attack for attack in ATTACKS}
    with Archive.open(tmp_path / ARCHIVE, read_only=True) as opened:
        [summary] = opened.campaigns()
        campaign = opened.campaign(summary.id)
        seed, *others = campaign.candidates()
        for candidate in others:
            attack = attacks.pop(str(candidate.digest))
            record = Record(candidate, "\n".join(campaign.output(candidate)))
            attack.ending.check(record)
            assert not [secret for secret in hidden if secret in repr(record)], record
        [best] = campaign.best()
        assert best.scores == seed.scores == {"score": HONEST_SCORE}
        loudest = max(others, key=lambda c: sum(not letter.isprintable() for letter in c.error))
    assert attacks == {}
    for words in (
        ("list",),
        ("status", summary.id),
        ("best", summary.id),
        ("show", f"{summary.id}#{loudest.number}"),
        ("lineage", f"{summary.id}#{loudest.number}"),
        ("diff", f"{summary.id}#{loudest.number}"),
    ):
        printed = metasearch(*words, *archive)
        acting = {letter for letter in printed if unicodedata.category(letter) in ("Cc", "Cf")}
        assert acting <= {"\n", "\t"}, (words, acting)
    lines = metasearch("export", summary.id, "--format", "jsonl", *archive)
    assert "\x1b" not in lines
    assert "\x9b" not in lines
