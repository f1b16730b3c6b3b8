"""The shared library: where it is, its functions, and how one is called.

A call releases the GIL. Texts go in as ``str``, ``bytes`` or ``None`` and take two arguments of the C function; the
error object becomes an exception.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import errors

ABI_VERSION = 1

OK, EMPTY, TIMED_OUT, END = 0, 200, 201, 202
NO_COMPLETION = 8

#: ``execute`` and its like: user data, request, its length, completion id.
BEGIN = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_uint64)
#: ``cancel``: user data, completion id.
CANCEL = CFUNCTYPE(None, c_void_p, c_uint64)
#: ``log``: user data, level, record, its length.
LOG = CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t)
#: ``wake`` and ``destroy``: user data.
TELL = CFUNCTYPE(None, c_void_p)


class String(Structure):
    """``convoy_string``."""

    _fields_ = [("data", c_void_p), ("len", c_size_t)]


class AgentAdapter(Structure):
    """``convoy_agent_adapter``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("user_data", c_void_p),
        ("destroy", TELL),
        ("execute", BEGIN),
        ("cancel", CANCEL),
    ]


class ReviewRunner(Structure):
    """``convoy_review_runner``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("user_data", c_void_p),
        ("destroy", TELL),
        ("review", BEGIN),
        ("cancel", CANCEL),
    ]


class HostCode(Structure):
    """``convoy_host_code``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("user_data", c_void_p),
        ("destroy", TELL),
        ("call", BEGIN),
        ("cancel", CANCEL),
    ]


class MergeQueue(Structure):
    """``convoy_merge_queue``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("user_data", c_void_p),
        ("destroy", TELL),
        ("prepare", BEGIN),
        ("advance", BEGIN),
        ("settle", BEGIN),
        ("cancel", CANCEL),
    ]


_TEXT = (c_char_p, c_size_t)
_OUT = (POINTER(String),)
_HANDLE = (c_void_p,)
_NEW = (POINTER(c_void_p),)
_ENGINE_CONVOY = _HANDLE + _TEXT
_ENGINE_TASK = _ENGINE_CONVOY + _TEXT
#: How long to wait for an answer, in milliseconds, and where it goes.
_ANSWER = (c_int64,) + _OUT

# The arguments of every function that returns a status, without the last, `err`.
_FUNCTIONS: Dict[str, Tuple[Any, ...]] = {
    "convoy_check_spec": _TEXT + _OUT,
    "convoy_check_formula": _TEXT + _TEXT + _OUT,
    "convoy_engine_builder_new": _TEXT + _NEW,
    "convoy_engine_builder_set_options": _HANDLE + _TEXT,
    "convoy_engine_builder_add_adapter": _HANDLE + _TEXT + (POINTER(AgentAdapter),),
    "convoy_engine_builder_set_review_runner": _HANDLE + _TEXT + (POINTER(ReviewRunner),),
    "convoy_engine_builder_set_merge_queue": _HANDLE + (POINTER(MergeQueue),),
    "convoy_engine_builder_add_gate": _HANDLE + _TEXT + (POINTER(HostCode),),
    "convoy_engine_builder_add_prompt_source": _HANDLE + _TEXT + (POINTER(HostCode),),
    "convoy_engine_builder_add_hook": _HANDLE + _TEXT + (POINTER(HostCode),),
    "convoy_engine_builder_set_log": _HANDLE + (c_int32, LOG, c_void_p, TELL),
    "convoy_engine_build": _HANDLE + _NEW,
    "convoy_engine_shutdown": _HANDLE,
    "convoy_engine_state_dir": _HANDLE + _OUT,
    "convoy_engine_plan": _HANDLE + _TEXT + _TEXT + _OUT,
    "convoy_engine_start": _HANDLE + _TEXT + _TEXT + _NEW,
    "convoy_engine_resume": _ENGINE_CONVOY + _NEW,
    "convoy_engine_retry": _ENGINE_CONVOY + _TEXT + _NEW,
    "convoy_engine_publish": _ENGINE_CONVOY + _NEW,
    "convoy_engine_list": _HANDLE + _OUT,
    "convoy_engine_status": _ENGINE_CONVOY + _OUT,
    "convoy_engine_is_running": _ENGINE_CONVOY + (POINTER(c_int32),),
    "convoy_engine_events": _ENGINE_CONVOY + (c_uint64, c_size_t) + _OUT,
    "convoy_engine_export": _ENGINE_TASK + (POINTER(c_uint64),),
    "convoy_engine_prune": _HANDLE + _TEXT + _OUT,
    "convoy_engine_last_retention": _HANDLE + _OUT,
    "convoy_engine_dead_letters": _ENGINE_CONVOY + _OUT,
    "convoy_engine_disputes": _ENGINE_CONVOY + _OUT,
    "convoy_engine_attempt": _ENGINE_TASK + (c_uint32,) + _OUT,
    "convoy_engine_log_path": _ENGINE_TASK + (c_uint32,) + _OUT,
    "convoy_engine_artifact": _ENGINE_TASK + _TEXT + _OUT,
    "convoy_engine_pause": _ENGINE_CONVOY + _ANSWER,
    "convoy_engine_unpause": _ENGINE_CONVOY + _ANSWER,
    "convoy_engine_cancel": _ENGINE_CONVOY + _ANSWER,
    "convoy_engine_approve": _ENGINE_TASK + _TEXT + _TEXT + _ANSWER,
    "convoy_engine_reject": _ENGINE_TASK + _TEXT + _ANSWER,
    "convoy_engine_skip": _ENGINE_TASK + _TEXT + _ANSWER,
    "convoy_engine_accept": _ENGINE_TASK + _TEXT + _TEXT + _ANSWER,
    "convoy_engine_inject": _ENGINE_CONVOY + _TEXT + _TEXT + _TEXT + _OUT,
    "convoy_engine_resolve_dead_letter": _ENGINE_TASK + _TEXT,
    "convoy_engine_resolve_dispute": _ENGINE_TASK + _TEXT,
    "convoy_run_id": _HANDLE + _OUT,
    "convoy_run_first_event_id": _HANDLE + (POINTER(c_uint64),),
    "convoy_run_wait": _HANDLE + (c_int64,) + _OUT,
    "convoy_run_pause": _HANDLE,
    "convoy_run_unpause": _HANDLE,
    "convoy_run_cancel": _HANDLE,
    "convoy_run_interrupt": _HANDLE + _TEXT,
    "convoy_run_set_wake": _HANDLE + (TELL, c_void_p, TELL),
    "convoy_run_events_after": _HANDLE + (c_uint64,),
    "convoy_run_next_events": _HANDLE + (c_size_t,) + _OUT,
    "convoy_run_wait_events": _HANDLE + (c_size_t, c_int64) + _OUT,
    "convoy_completion_resolve": (c_uint64,) + _TEXT,
    "convoy_completion_reject": (c_uint64,) + _TEXT,
    "convoy_completion_output": (c_uint64, c_int32) + _TEXT,
    "convoy_completion_session": (c_uint64,) + _TEXT,
    "convoy_completion_started": (c_uint64, c_uint32),
}

# Those that return something else: what, and the arguments.
_OTHERS: Dict[str, Tuple[Any, Sequence[Any]]] = {
    "convoy_abi_version": (c_uint32, ()),
    "convoy_version": (c_char_p, ()),
    "convoy_status_name": (c_char_p, (c_int32,)),
    "convoy_error_message": (c_char_p, (c_void_p, c_void_p)),
    "convoy_error_chain": (c_char_p, (c_void_p, c_void_p)),
    "convoy_error_details": (c_char_p, (c_void_p, c_void_p)),
    "convoy_error_free": (None, (c_void_p,)),
    "convoy_string_free": (None, (POINTER(String),)),
    "convoy_engine_builder_free": (None, (c_void_p,)),
    "convoy_engine_free": (None, (c_void_p,)),
    "convoy_run_free": (None, (c_void_p,)),
}


def library_path() -> Path:
    """Where the library is: as the environment variable ``CONVOY_LIBRARY`` says, else inside this package."""
    name = "libconvoy.dylib" if sys.platform == "darwin" else "libconvoy.so"
    return Path(os.environ.get("CONVOY_LIBRARY") or Path(__file__).with_name("_lib") / name)


def load() -> ctypes.CDLL:
    """Loads the library and declares its functions; an ``ImportError`` says what is wrong with it."""
    path = library_path()
    advice = "Install a wheel of convoy for this platform, or set CONVOY_LIBRARY to the path of the library."
    if not path.exists():
        raise ImportError(f"convoy: there is no library {path}. {advice}", path=str(path))
    try:
        library = ctypes.CDLL(str(path.absolute()))
        declare(library, "convoy_abi_version")
        found = library.convoy_abi_version()
    except (OSError, AttributeError) as error:
        raise ImportError(f"convoy: {path} cannot be loaded: {error}. {advice}", path=str(path)) from error
    if found != ABI_VERSION:
        raise ImportError(
            f"convoy: {path} has version {found} of the C interface, this package needs {ABI_VERSION}. {advice}",
            path=str(path),
        )
    try:
        for function in (*_OTHERS, *_FUNCTIONS):
            declare(library, function)
    except AttributeError as error:
        raise ImportError(f"convoy: {path} is older than this package: {error}. {advice}", path=str(path)) from error
    return library


def declare(library: ctypes.CDLL, name: str) -> None:
    """Says what a function takes and returns."""
    function = getattr(library, name)
    if name in _OTHERS:
        function.restype, function.argtypes = _OTHERS[name]
    else:
        function.restype, function.argtypes = c_int32, [*_FUNCTIONS[name], POINTER(c_void_p)]


lib = load()


def version() -> str:
    """The version of the library."""
    return str(lib.convoy_version().decode())


def call(name: str, *arguments: Any) -> int:
    """Calls a function. The status is ``OK`` or one of 200 to 299; all others are raised."""
    flat: List[Any] = []
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode()
        if argument is None or isinstance(argument, bytes):
            flat += (argument, len(argument or b""))
        else:
            flat.append(argument)
    error = c_void_p()
    status = int(getattr(lib, name)(*flat, byref(error)))
    if status == OK or 200 <= status < 300:
        return status
    raise exception(status, error)


def exception(status: int, error: c_void_p) -> errors.Error:
    """The exception for an error object, which is freed."""
    name, message, chain, details = lib.convoy_status_name(status).decode(), "", "", ""
    if error:
        message, chain, details = (
            function(error, None).decode()
            for function in (lib.convoy_error_message, lib.convoy_error_chain, lib.convoy_error_details)
        )
        lib.convoy_error_free(error)
    return errors.class_of(status)(status, name, message or name, chain, details)


def call_text(name: str, *arguments: Any) -> Tuple[int, bytes]:
    """Calls a function that gives a text; no bytes where the status is none of success."""
    out = String()
    status = call(name, *arguments, byref(out))
    if status != OK:
        return status, b""
    try:
        return status, ctypes.string_at(out.data, out.len)
    finally:
        lib.convoy_string_free(byref(out))


def call_new(name: str, *arguments: Any) -> int:
    """Calls a function that makes an object, and gives its handle."""
    out = c_void_p()
    call(name, *arguments, byref(out))
    return out.value or 0


def read(data: Optional[int], length: int) -> str:
    """The text at an address."""
    return ctypes.string_at(data, length).decode() if data else ""
