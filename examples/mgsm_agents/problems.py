"""Word problems with their answers: MGSM's own if its folder is given, else generated ones.

Nothing of this is ever inside the sandbox.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = "METASEARCH_MGSM"
"""Environment variable: the folder with mgsm_en.tsv and so on, a problem and its answer a line."""

SEED = 0
OF_MGSM = {"validation": 128, "test": 800}
GENERATED = {"validation": 32, "test": 64}
LARGEST = 16
"""Of the generated answers."""


@dataclass(frozen=True)
class Problem:
    """One problem and its only right answer."""

    language: str
    text: str
    answer: int


@lru_cache
def problems(split: str) -> tuple[Problem, ...]:
    """The problems of a split: the same ones always, and none of them in the other split."""
    folder = os.environ.get(FOLDER)
    sizes = OF_MGSM if folder else GENERATED
    found = read(Path(folder)) if folder else generate(sum(sizes.values()))
    if len(found) < sum(sizes.values()):
        raise ValueError(f"{FOLDER}: {folder} has {len(found)} problems, not {sum(sizes.values())}")
    random.Random(SEED).shuffle(found)
    first = sizes["validation"]
    return tuple(found[:first] if split == "validation" else found[first : first + sizes["test"]])


def read(folder: Path) -> list[Problem]:
    """All problems of a folder in a fixed order."""
    found = []
    for file in sorted(folder.glob("mgsm_*.tsv")):
        language = file.stem.removeprefix("mgsm_")
        for line in file.read_text("utf-8").splitlines():
            text, _, answer = line.rpartition("\t")
            found.append(Problem(language, text, int(answer.replace(",", ""))))
    if not found:
        raise FileNotFoundError(f"{FOLDER} is {folder}, where there is no mgsm_*.tsv")
    return found


@dataclass(frozen=True)
class Kind:
    """A kind of problem: how its numbers make the answer, and its text in some languages."""

    answer: Callable[[int, int, int], int]
    texts: dict[str, str]


KINDS = (
    Kind(
        lambda a, b, c: a * b - c,
        {
            "en": "Ann has {a} bags with {b} apples in each. She eats {c} of the apples. How many "
            "apples are left?",
            "de": "Anna hat {a} Tüten mit je {b} Äpfeln. Sie isst {c} davon. Wie viele Äpfel "
            "bleiben übrig?",
            "es": "Ana tiene {a} bolsas con {b} manzanas cada una. Se come {c}. ¿Cuántas manzanas "
            "quedan?",
            "fr": "Anne a {a} sacs de {b} pommes chacun. Elle mange {c} pommes. Combien de pommes "
            "reste-t-il ?",
        },
    ),
    Kind(
        lambda a, b, c: a + b + c,
        {
            "en": "A bus leaves with {a} people. At the first stop {b} get on, at the second one "
            "{c}. Nobody gets off. How many people are on the bus now?",
            "de": "Ein Bus fährt mit {a} Personen ab. An der ersten Haltestelle steigen {b} ein, "
            "an der zweiten {c}. Niemand steigt aus. Wie viele Personen sind jetzt im Bus?",
            "es": "Un autobús sale con {a} personas. En la primera parada suben {b} y en la "
            "segunda {c}. Nadie baja. ¿Cuántas personas hay ahora en el autobús?",
            "fr": "Un bus part avec {a} personnes. Au premier arrêt, {b} montent, au deuxième, "
            "{c}. Personne ne descend. Combien de personnes sont maintenant dans le bus ?",
        },
    ),
    Kind(
        lambda a, b, c: a * (b + c),
        {
            "en": "For each of {a} cakes a baker needs {b} white eggs and {c} brown eggs. How many "
            "eggs are that together?",
            "de": "Für jeden von {a} Kuchen braucht ein Bäcker {b} weiße und {c} braune Eier. Wie "
            "viele Eier sind das zusammen?",
            "es": "Para cada uno de {a} pasteles, un panadero necesita {b} huevos blancos y {c} "
            "huevos morenos. ¿Cuántos huevos son en total?",
            "fr": "Pour chacun des {a} gâteaux, un boulanger a besoin de {b} œufs blancs et de {c} "
            "œufs bruns. Combien d'œufs cela fait-il en tout ?",
        },
    ),
    Kind(
        lambda a, b, c: a * b * c,
        {
            "en": "A house has {a} floors with {b} rooms each, and each room has {c} windows. How "
            "many windows has the house?",
            "de": "Ein Haus hat {a} Stockwerke mit je {b} Zimmern, und jedes Zimmer hat {c} "
            "Fenster. Wie viele Fenster hat das Haus?",
            "es": "Una casa tiene {a} pisos con {b} habitaciones cada uno, y cada habitación tiene "
            "{c} ventanas. ¿Cuántas ventanas tiene la casa?",
            "fr": "Une maison a {a} étages de {b} pièces chacun, et chaque pièce a {c} fenêtres. "
            "Combien de fenêtres la maison a-t-elle ?",
        },
    ),
)


def generate(count: int) -> list[Problem]:
    """So many different problems, with answers so small that chance sometimes finds them."""
    rng = random.Random(SEED)
    found: dict[str, Problem] = {}
    while len(found) < count:
        kind = rng.choice(KINDS)
        a, b, c = rng.randint(2, 4), rng.randint(2, 4), rng.randint(2, 4)
        language = rng.choice(sorted(kind.texts))
        if 0 < (answer := kind.answer(a, b, c)) <= LARGEST:
            text = kind.texts[language].format(a=a, b=b, c=c)
            found[text] = Problem(language, text, answer)
    return list(found.values())
