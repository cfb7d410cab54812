"""How many drawings are kept: of one visitor, and in all."""

from __future__ import annotations

from collections import deque

from hwr.config import UserError

PER_VISITOR = ((20, 60.0), (200, 3600.0))  # drawings in seconds, the longest time last
PER_DAY = 5000  # drawings in all
BYTES_PER_DAY = 100 * 10**6
DAY = 24 * 3600.0  # seconds


class Quota:
    """At most ``most`` of something in any ``seconds``. Times are given in seconds, and never go back."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._taken: deque[tuple[float, int]] = deque()  # (when, how much)
        self._sum = 0

    def left(self, now: float) -> int:
        """How much may be taken."""
        while self._taken and self._taken[0][0] <= now - self.seconds:
            self._sum -= self._taken.popleft()[1]
        return self.most - self._sum

    def take(self, now: float, amount: int = 1) -> None:
        """Count what is taken."""
        self._taken.append((now, amount))
        self._sum += amount


class Limits:
    """The quotas of all visitors together. A visitor is any key; it is forgotten when nothing of it counts any more."""

    def __init__(self) -> None:
        self._drawings, self._bytes = Quota(PER_DAY, DAY), Quota(BYTES_PER_DAY, DAY)
        self._visitors: dict[str, list[Quota]] = {}

    def require(self, visitor: str, size: int, now: float) -> None:
        """Raise UserError if a drawing of ``size`` bytes is too many."""
        if self._drawings.left(now) < 1 or self._bytes.left(now) < size:
            raise UserError("no more drawings are kept today: thank you, and please come back tomorrow")
        for quota in self._visitors.get(visitor, ()):
            if quota.left(now) < 1:
                limit = f"{quota.most} drawings in {quota.seconds / 60:g} min"
                raise UserError(f"at most {limit} are kept: please wait a little")

    def count(self, visitor: str, size: int, now: float) -> None:
        """A drawing was kept."""
        self._visitors = {key: own for key, own in self._visitors.items() if own[-1].left(now) < own[-1].most}
        own = self._visitors.setdefault(visitor, [Quota(*limit) for limit in PER_VISITOR])
        for quota in (self._drawings, *own):
            quota.take(now)
        self._bytes.take(now, size)
