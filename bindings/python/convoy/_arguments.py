"""Arguments are looked at before they go to the library, so that what is wrong with one is said by its name."""

from __future__ import annotations

import os
from typing import Any, Iterable, List, Mapping, Optional


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {_kind(value)}")
    return value


def perhaps_text(name: str, value: Any) -> Optional[str]:
    """A text, or ``None``."""
    return None if value is None else text(name, value)


def path(name: str, value: Any) -> str:
    """A path."""
    try:
        found = os.fspath(value)
    except TypeError:
        raise TypeError(f"{name} is a path, not {_kind(value)}") from None
    return os.fsdecode(found)


#: The largest numbers of the library: whatever is above would come to it as another number.
MOST_32, MOST_64 = (1 << 32) - 1, (1 << 64) - 1


def number(name: str, value: Any, least: int = 0, most: int = MOST_64) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {_kind(value)}")
    if value < least:
        raise ValueError(f"{name} is {least} or more, not {value}")
    if value > most:
        raise ValueError(f"{name} is {most} or less, not {value}")
    return value


def small(name: str, value: Any, least: int = 0) -> int:
    """A whole number of 32 bits."""
    return number(name, value, least, MOST_32)


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {_kind(value)}")
    return value


def millis(name: str, value: Any) -> int:
    """Seconds, as milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {_kind(value)}")
    if not 0 <= value < 1e12:
        raise ValueError(f"{name} is a number of seconds, not {value}")
    return round(value * 1000)


def texts(name: str, values: Any) -> List[str]:
    """Several texts; one alone is a mistake, as it would be taken apart into letters."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is a list of texts, not {_kind(values)}")
    return [text(f"each of {name}", value) for value in values]


def env(values: Any) -> Mapping[str, str]:
    """An environment."""
    if not isinstance(values, Mapping):
        raise TypeError(f"env is a mapping of names to texts, not {_kind(values)}")
    return {text("each name in env", name): text(f"env[{name!r}]", value) for name, value in values.items()}


def _kind(value: Any) -> str:
    return type(value).__name__
