"""What the engine tells of itself, on its way to a function of the host.

The library hands records over on a thread of its own, which must never be inside code of the host when the interpreter
ends. So a thread of Python calls the function. A slow one holds up the thread of the library, which counts what it
cannot hand over meanwhile.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional

from . import _lifetime
from ._library import LOG, TELL, read

#: A function that gets a record, if there still is one.
Find = Callable[[], Optional[Callable[[Dict[str, Any]], object]]]

#: Records that wait here; the others wait in the library, and are counted if they are too many.
_MOST_WAITING = 64


class Records:
    """The records of one engine that wait for the function of the host, and the thread that calls it.

    It does not refer to the function, which may refer to its engine: that must be found by the garbage collection.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._waiting: Deque[str] = deque()
        self._changed = threading.Condition()
        self._over = False
        _lifetime.begin_telling()
        try:
            threading.Thread(target=self._tell_all, name="convoy-log", daemon=True).start()
        except RuntimeError:  # No thread any more.
            _lifetime.end_telling()
            raise

    def put(self, record: str) -> None:
        """Waits for room, or until nobody reads any more; then the record is dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._waiting) < _MOST_WAITING)
            if not self._over:
                self._waiting.append(record)
                self._changed.notify_all()

    def finish(self) -> None:
        """No more are put in; those that wait are still told."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def drop(self) -> None:
        """The interpreter ends: those that wait are told no more."""
        with self._changed:
            self._waiting.clear()
        self.finish()

    def _tell_all(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._over or self._waiting)
                    if not self._waiting:
                        return
                    record = self._waiting.popleft()
                    self._changed.notify_all()
                self._tell(record)
        finally:
            _lifetime.end_telling()

    def _tell(self, record: str) -> None:
        function = self._find()
        if function is not None:
            try:
                function(json.loads(record))
            except BaseException:  # noqa: B902 - of the host; nobody else is there to see it
                traceback.print_exc()


#: By the number that the library has as user data, until it destroys that.
_records: Dict[int, Records] = {}


def register(key: int, find: Find) -> None:
    """Before the library is given `log`, `key` and `destroyed`."""
    _records[key] = Records(find)
    _lifetime.enter()


def _log(key: Optional[int], _level: int, data: Optional[int], length: int) -> None:
    try:
        _records[key or 0].put(read(data, length))
    except BaseException:  # noqa: B902 - nothing may reach the library
        traceback.print_exc()


def _destroyed(key: Optional[int]) -> None:
    records = _records.pop(key or 0, None)
    if records is not None:
        records.finish()
        _lifetime.leave()


def _drop_all() -> None:
    """The interpreter ends, and functions of the host have had their time."""
    for records in list(_records.values()):
        records.drop()


def to_logging(record: Dict[str, Any]) -> None:
    """Hands a record to the logger ``convoy``, with its members as ``extra["convoy"]``."""
    level = logging.getLevelName(record["level"].upper())
    about = " ".join(f"{name}={record[name]}" for name in ("convoy", "task", "attempt") if name in record)
    message = f"{record['message']} ({about})" if about else record["message"]
    logging.getLogger("convoy").log(level if isinstance(level, int) else logging.DEBUG, "%s", message, extra={"convoy": record})


# The functions that the library is given; they are never freed.
log, destroyed = LOG(_log), TELL(_destroyed)

_lifetime.give_up_telling.append(_drop_all)
