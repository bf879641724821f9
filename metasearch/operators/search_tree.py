"""A tree of programs and the choice of the one to expand next, after SWE-Search.

A node is a candidate, an edge the edit that made it. Visits, sums and best values are
recomputed from the nodes at each choice (:mod:`metasearch.operators.uct`), because values are
ranks, which change with every program that arrives.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Objective
from metasearch.operators.uct import Backup, backups, minmax_values, rank_values, uct

Select = Literal["descent", "frontier"]
BackupName = Literal["max", "mean"]
Norm = Literal["rank", "minmax"]


@dataclass(frozen=True)
class Policy:
    """How the tree chooses. See :class:`metasearch.strategies.mcts.Mcts.Options`."""

    select: Select = "descent"
    backup: BackupName = "max"
    norm: Norm = "rank"
    exploration: float = 1.41
    early: float = 1.0
    early_decay: float = 1.0
    late: float = 0.1
    max_expansions: int = 5
    max_depth: int = 20


@dataclass
class Node:
    """One candidate in the tree."""

    number: int
    """The candidate's."""
    step: int
    parent: int | None
    """Its parent's position in the tree."""
    depth: int
    gain: float | None
    """First objective, larger is better; ``None`` for a failed edit, whose value is 0."""
    rejected: bool = False
    judged: float | None = None
    """A value agent's estimate from 0 to 1; takes the place of the measured value."""
    children: list[int] = field(default_factory=list)
    """Positions of the nodes made from it, in their order."""


class SearchTree:
    """Nodes in the order of their arrival; a parent stands before its children."""

    def __init__(self, objective: Objective, policy: Policy) -> None:
        self.nodes: list[Node] = []
        self.policy = policy
        self._objective = objective
        self._at: dict[int, int] = {}

    def __getitem__(self, number: int) -> Node:
        """The node of a candidate."""
        return self.nodes[self._at[number]]

    def add(self, candidate: Candidate) -> None:
        """Take in a settled candidate as a child of its main parent, or of the root.

        A turn that repairs a rejected edit takes that edit's place: both are one expansion.
        """
        parent = None
        if self.nodes:
            parent = self._at.get(candidate.parents[0], 0) if candidate.parents else 0
        node = Node(
            number=candidate.number,
            step=candidate.step,
            parent=parent,
            depth=0 if parent is None else self.nodes[parent].depth + 1,
            gain=self._objective.gain(candidate.scores[self._objective.name])
            if candidate.scored
            else None,
            rejected=candidate.outcome is Outcome.REJECTED,
        )
        siblings = [] if parent is None else self.nodes[parent].children
        mended = [place for place in siblings if self._is_mended(self.nodes[place], node)]
        if mended:
            place = mended[0]
            del self._at[self.nodes[place].number]
            self.nodes[place] = node
        else:
            place = len(self.nodes)
            self.nodes.append(node)
            siblings.append(place)
        self._at[node.number] = place

    @staticmethod
    def _is_mended(old: Node, new: Node) -> bool:
        return old.rejected and old.step == new.step and not old.children

    def judge(self, number: int, value: float) -> None:
        """Let an estimate from 0 to 1 stand for a candidate's measured value."""
        self[number].judged = value

    def children(self, number: int) -> list[int]:
        """The candidates that were made from this one, in their order."""
        return [self.nodes[child].number for child in self[number].children]

    def path(self, number: int) -> list[int]:
        """The candidates from the root down to this one."""
        return [self.nodes[place].number for place in self._up(self._at[number])][::-1]

    def values(self) -> list[float]:
        """Each node's value, 0 to 1: its measured rank or share, or what a judge said."""
        scale = rank_values if self.policy.norm == "rank" else minmax_values
        measured = iter(scale([node.gain for node in self.nodes if node.gain is not None]))
        own = [0.0 if node.gain is None else next(measured) for node in self.nodes]
        return [
            value if node.judged is None or node.gain is None else node.judged
            for node, value in zip(self.nodes, own, strict=True)
        ]

    def select(self, in_flight: Sequence[int] = ()) -> int:
        """The candidate to expand next.

        Args:
            in_flight: Candidates that are being expanded, once for each expansion. Each is a
                virtual visit of its path, and has no room for another one while there is room
                elsewhere: the next child is to know what the last one taught.
        """
        values = self.values()
        backed = backups([node.parent for node in self.nodes], list(values))
        flying = Counter(self._at[number] for number in in_flight)
        for place, expansions in flying.items():
            for above in self._up(place):
                backed[above] = backed[above].in_flight(values[place], expansions)
        room = self._room(flying)
        if self.policy.select == "frontier":
            free = [place for place, has_room in enumerate(room) if has_room]
            return self.nodes[max(free, key=lambda place: self._uct(place, backed))].number
        return self.nodes[self._descend(room, backed)].number

    def _room(self, flying: Counter[int]) -> list[bool]:
        """Which nodes may be expanded: if none is free those in flight, if all are full more."""
        most, depth = self.policy.max_expansions, self.policy.max_depth
        open_ = [n.gain is not None and n.depth < depth for n in self.nodes]
        taken = [len(node.children) + flying[place] for place, node in enumerate(self.nodes)]
        free = [
            can and taken[place] < most and not flying[place] for place, can in enumerate(open_)
        ]
        for limit in itertools.count(most, most):
            if any(free):
                break
            free = [can and taken[place] < limit for place, can in enumerate(open_)]
        return free

    def _descend(self, room: list[bool], backed: Sequence[Backup]) -> int:
        """Down from the root, along the highest UCT, to the first node with room."""
        leads = list(room)
        for place in reversed(range(1, len(self.nodes))):
            parent = self.nodes[place].parent
            assert parent is not None
            leads[parent] |= leads[place]
        place = 0
        while not room[place]:
            ways = [child for child in self.nodes[place].children if leads[child]]
            place = max(ways, key=lambda child: self._uct(child, backed))
        return place

    def _uct(self, place: int, backed: Sequence[Backup]) -> float:
        node, own, policy = self.nodes[place], backed[place], self.policy
        above = own if node.parent is None else backed[node.parent]
        return uct(
            own.best if policy.backup == "max" else own.mean,
            above.visits,
            own.visits,
            exploration=policy.exploration,
            depth=node.depth,
            early=policy.early,
            early_decay=policy.early_decay,
            late=policy.late,
        )

    def _up(self, place: int) -> Iterator[int]:
        """The positions from a node up to the root."""
        at: int | None = place
        while at is not None:
            yield at
            at = self.nodes[at].parent
