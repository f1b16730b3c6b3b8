"""Convoy runs many coding agents on one git repository at once. This package embeds its engine.

    with convoy.Engine("path/to/repository", adapters={"scribe": Scribe()}) as engine:
        run = engine.start(convoy_file)
        for event in run:
            print(event["type"], event.get("task_id") or "")

The README of the package tells the rest.
"""

from . import errors, protocols, requests
from ._library import version
from ._version import __version__
from .engine import Engine, Spec, check, check_formula
from .errors import *  # noqa: F403
from .protocols import *  # noqa: F403
from .requests import *  # noqa: F403
from .run import Event, Result, Run

__all__ = [
    "Engine",
    "Event",
    "Result",
    "Run",
    "Spec",
    "__version__",
    "check",
    "check_formula",
    "version",
    *errors.__all__,
    *protocols.__all__,
    *requests.__all__,
]
