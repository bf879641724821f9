"""The page on security says what the suite tests."""

from __future__ import annotations

from tests.redteam import attack, catalogue, lying, table


def test_the_table_is_up_to_date() -> None:
    text = table.FILE.read_text("utf-8")
    assert text == table.rendered(text), "run: python -m tests.redteam.table"


def test_there_are_enough_attacks_and_each_has_its_own_name() -> None:
    names = [attack.name for attack in catalogue.ATTACKS]
    assert len(set(names)) == len(names) >= 60


def test_every_program_is_python() -> None:
    lies = [lie for told in lying.LIES.values() for lie in told]
    for each in [*catalogue.ATTACKS, *lies]:
        assert isinstance(each, attack.Attack)
        compile(each.files["program.py"], each.name, "exec")
