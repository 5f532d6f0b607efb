"""Union-find: positions that belong together, transitively."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable


class Clusters:
    """Positions 0 … n-1, each alone at first."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, position: int) -> int:
        """The position that stands for the cluster of `position`."""
        while self._parent[position] != position:
            self._parent[position] = self._parent[self._parent[position]]
            position = self._parent[position]
        return position

    def join(self, first: int, second: int) -> None:
        """Both clusters become one."""
        one, other = self.root(first), self.root(second)
        self._parent[max(one, other)] = min(one, other)

    def together(self, first: int, second: int) -> bool:
        return self.root(first) == self.root(second)

    def join_equal(self, values: Iterable[Hashable | None]) -> None:
        """Join all positions of equal values; None equals nothing."""
        first: dict[Hashable, int] = {}
        for position, value in enumerate(values):
            if value is not None:
                self.join(first.setdefault(value, position), position)

    def groups(self) -> list[list[int]]:
        """Every cluster as its positions in order; clusters by their first position."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for position in range(len(self._parent)):
            found[self.root(position)].append(position)
        return list(found.values())
