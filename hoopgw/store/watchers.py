"""Those who are told of each hold that changed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from hoopgw.store.interface import Hold


class Watchers:
    """Calls every watcher; one that fails is logged and does not keep the others from the news."""

    log = Logger()

    def __init__(self) -> None:
        self._watchers: dict[int, Callable[[Hold], None]] = {}
        self._next = 0

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, changed: Callable[[Hold], None]) -> Callable[[], None]:
        self._next = number = self._next + 1
        self._watchers[number] = changed

        def stop() -> None:
            self._watchers.pop(number, None)

        return stop

    def tell(self, hold: Hold) -> None:
        for watcher in tuple(self._watchers.values()):
            try:
                watcher(hold)
            except Exception:
                self.log.failure("A watcher of holds failed on {hold}", hold=hold.id)
