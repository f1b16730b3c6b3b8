"""What code of the host looks like. The engine needs no base class: an object that has the methods will do.

Each method may be plain (it runs on a thread of its own) or ``async`` (it runs on the event loop). What it raises is
told to the engine with type and message, and the traceback stands in the log of the attempt.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

from .requests import (
    AdvanceRequest,
    AgentRequest,
    GateRequest,
    HookRequest,
    PrepareRequest,
    PromptRequest,
    ReviewRequest,
    SettleRequest,
)

__all__ = ["Adapter", "Gate", "Hook", "Landing", "PromptSource", "Reviewer"]

#: A gate: passes with ``None``, ``True`` or ``{"outcome": "pass"}``; fails with a text that says why, with ``False``, or by
#: raising.
Gate = Callable[[GateRequest], Any]
#: A hook: answers as a gate does.
Hook = Callable[[HookRequest], Any]
#: A prompt source: gives a text (the program's own words), ``("data", text)`` (text from elsewhere, which the agent is told
#: to take as data) or ``None``; what it raises fails the attempt.
PromptSource = Callable[[PromptRequest], Any]


class Adapter(Protocol):
    """An agent.

    May have ``capabilities``, names out of ``"resume"``, ``"model"``, ``"read_only"``, ``"usage"``, ``"cost"`` and
    ``"mcp"``: what it cannot do it is not asked for. And ``account``: sessions and rate limits belong to it.
    """

    def execute(self, request: AgentRequest, /) -> Any:
        """Does the work in ``request.cwd``.

        Returns ``None`` (it succeeded), a text (what the agent said) or a mapping with ``"outcome"``
        (``"succeeded"``, ``"failed"``, ``"cancelled"``), ``"result_text"``, ``"session"``, ``"usage"``, ``"exit_code"``
        and ``"failure"``. To fail, raise :class:`convoy.AgentFailed` or anything else. After ``request.cancelled`` only a mapping
        with an ``"outcome"`` counts as it says; whatever else is returned or raised counts as cancelled.
        """


class Reviewer(Protocol):
    """Judges work, in the place of the reviewing agent. May have ``name`` and ``model``, which events show."""

    def review(self, request: ReviewRequest, /) -> Any:
        """Returns ``"pass"``, ``"block"`` or ``"could-not"``, or a tuple of that and remarks, or a mapping with
        ``"verdict"``, ``"text"`` and ``"usage"``. What it raises counts as ``"could-not"``.
        """


class Landing(Protocol):
    """Where work lands, in the place of the git merge queue: three steps, so that it happens exactly once."""

    def prepare(self, request: PrepareRequest, /) -> Any:
        """Merges without touching files or refs, and writes the landing commit, with the parents tip and work.

        Returns ``{"outcome": "prepared", "commit": OID}``, ``{"outcome": "nothing-to-land"}`` or
        ``{"outcome": "conflict", "tree": OID, "paths": [...]}``.
        """

    def advance(self, request: AdvanceRequest, /) -> Any:
        """Moves the ref by compare-and-swap, durably.

        Returns ``{"outcome": "advanced"}``, ``{"outcome": "moved", "now": OID or None}`` or
        ``{"outcome": "fenced", "newer": NUMBER}``.
        """

    def settle(self, request: SettleRequest, /) -> Any:
        """Looks whether the ref reaches the commit: ``{"outcome": "landed"}`` or ``{"outcome": "not-landed"}``."""
