//! The status codes every call answers with.

use convoy_core::error::ErrorKind;

/// What became of a call. A number, once given out, never changes its meaning and is never used again; numbers that
/// this header does not name may come from a newer library and mean failure.
///
/// Families: 1 to 99 are mistakes in the call itself, 100 to 199 are answers of the engine, 200 to 299 are no
/// failures but say that there is nothing (yet): they make no error object. 900 to 999 are faults of the library.
#[expect(non_camel_case_types, reason = "the C names, so that one search finds both sides")]
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum convoy_status {
    /// The call did what it says. The only success.
    CONVOY_OK = 0,
    /// A pointer that must not be NULL is NULL; the message names the argument.
    CONVOY_NULL_ARGUMENT = 1,
    /// A text is not valid UTF-8; the message says at which byte.
    CONVOY_BAD_UTF8 = 2,
    /// A length is larger than any object can be, for example a negative number that was converted to `size_t`.
    CONVOY_BAD_LENGTH = 3,
    /// A text is not the JSON that the call asks for; the message names the member.
    CONVOY_BAD_JSON = 4,
    /// A handle is none: it was freed, is of another kind, or never came from this library.
    CONVOY_BAD_HANDLE = 5,
    /// A structure of functions is not as it must be: its `struct_size` is impossible, a function is missing that
    /// must be there, or it holds something that this version of the library does not know.
    CONVOY_BAD_STRUCT = 6,
    /// The process is a fork of the one that began to use the library. Builders, engines, runs and completions do not work
    /// in a fork: use them in the parent, or start a new program. (What needs none of them does, such as
    /// `convoy_check_spec`.)
    CONVOY_FORKED = 7,
    /// The completion id is none, or not any more: it was resolved or rejected before, or the engine no longer
    /// waits for it. Nothing was done.
    CONVOY_NO_COMPLETION = 8,
    /// The object was used up by an earlier call, such as a builder by `convoy_engine_build`.
    CONVOY_USED_UP = 9,
    /// A number is not one that the call knows; the message names the argument.
    CONVOY_BAD_NUMBER = 10,
    /// An argument is wrong: correct the call.
    CONVOY_INVALID_ARGUMENT = 100,
    /// The convoy file has errors: the details of the error list them, as `convoy_check_spec` does.
    CONVOY_INVALID_SPEC = 101,
    /// The convoy file or the builder asks for something that this version or this platform does not have; or a path that
    /// would be given is no UTF-8, so that it is no text.
    CONVOY_UNSUPPORTED = 102,
    /// The repository cannot be used as it is.
    CONVOY_REPOSITORY = 103,
    /// No such convoy, task, attempt or artifact.
    CONVOY_NOT_FOUND = 104,
    /// Nothing is unfinished.
    CONVOY_NOTHING_TO_RESUME = 105,
    /// Another engine runs the convoy.
    CONVOY_BUSY = 106,
    /// The convoy is not in a state where this is possible.
    CONVOY_STATE = 107,
    /// No agent program can be used.
    CONVOY_AGENT = 108,
    /// The store failed: disk full, no permission, damaged, or of another program.
    CONVOY_STORE = 109,
    /// The engine is shut down.
    CONVOY_CLOSED = 110,
    /// There is nothing to read now; there may be later. No error object is made.
    CONVOY_EMPTY = 200,
    /// The time was over before it happened. No error object is made.
    CONVOY_TIMED_OUT = 201,
    /// There is nothing to read any more, ever. No error object is made.
    CONVOY_END = 202,
    /// The library has a fault: it panicked, and the panic was caught. Nothing was written to the outputs.
    CONVOY_PANICKED = 900,
    /// An earlier call on this engine, or on a run of it, panicked: free it and build a new one.
    CONVOY_POISONED = 901,
    /// The library has a fault, or the system gave it no thread; the message says more.
    CONVOY_INTERNAL = 902,
}

impl convoy_status {
    /// Whether it only says that there is nothing yet.
    pub(crate) fn is_quiet(self) -> bool {
        matches!(self, Self::CONVOY_EMPTY | Self::CONVOY_TIMED_OUT | Self::CONVOY_END)
    }
}

impl From<ErrorKind> for convoy_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => Self::CONVOY_INVALID_ARGUMENT,
            ErrorKind::InvalidSpec => Self::CONVOY_INVALID_SPEC,
            ErrorKind::Unsupported => Self::CONVOY_UNSUPPORTED,
            ErrorKind::Repository => Self::CONVOY_REPOSITORY,
            ErrorKind::NotFound => Self::CONVOY_NOT_FOUND,
            ErrorKind::NothingToResume => Self::CONVOY_NOTHING_TO_RESUME,
            ErrorKind::Busy => Self::CONVOY_BUSY,
            ErrorKind::State => Self::CONVOY_STATE,
            ErrorKind::Agent => Self::CONVOY_AGENT,
            ErrorKind::Store => Self::CONVOY_STORE,
            ErrorKind::Closed => Self::CONVOY_CLOSED,
            // `Internal`, and kinds that this crate was not yet told of: a test of it names them all.
            _ => Self::CONVOY_INTERNAL,
        }
    }
}

/// The name of a status, such as "CONVOY_BUSY"; "CONVOY_UNKNOWN" for a number that this library does not have.
///
/// The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not be
/// freed.
///
/// Ownership: the text belongs to the library.
/// Threads: any, at any time. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_status_name(status: i32) -> *const std::ffi::c_char {
    let found = NAMES.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"CONVOY_UNKNOWN", |(_, name)| name).as_ptr()
}

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        &[$((convoy_status::$name, match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("an identifier holds no NUL"),
        })),*]
    };
}

/// Every status with its name.
pub(crate) const NAMES: &[(convoy_status, &std::ffi::CStr)] = names![
    CONVOY_OK,
    CONVOY_NULL_ARGUMENT,
    CONVOY_BAD_UTF8,
    CONVOY_BAD_LENGTH,
    CONVOY_BAD_JSON,
    CONVOY_BAD_HANDLE,
    CONVOY_BAD_STRUCT,
    CONVOY_FORKED,
    CONVOY_NO_COMPLETION,
    CONVOY_USED_UP,
    CONVOY_BAD_NUMBER,
    CONVOY_INVALID_ARGUMENT,
    CONVOY_INVALID_SPEC,
    CONVOY_UNSUPPORTED,
    CONVOY_REPOSITORY,
    CONVOY_NOT_FOUND,
    CONVOY_NOTHING_TO_RESUME,
    CONVOY_BUSY,
    CONVOY_STATE,
    CONVOY_AGENT,
    CONVOY_STORE,
    CONVOY_CLOSED,
    CONVOY_EMPTY,
    CONVOY_TIMED_OUT,
    CONVOY_END,
    CONVOY_PANICKED,
    CONVOY_POISONED,
    CONVOY_INTERNAL,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_a_status_of_its_own() {
        let kinds = [
            (ErrorKind::InvalidArgument, 100),
            (ErrorKind::InvalidSpec, 101),
            (ErrorKind::Unsupported, 102),
            (ErrorKind::Repository, 103),
            (ErrorKind::NotFound, 104),
            (ErrorKind::NothingToResume, 105),
            (ErrorKind::Busy, 106),
            (ErrorKind::State, 107),
            (ErrorKind::Agent, 108),
            (ErrorKind::Store, 109),
            (ErrorKind::Closed, 110),
            (ErrorKind::Internal, 902),
        ];
        for (kind, number) in kinds {
            assert_eq!(convoy_status::from(kind) as i32, number, "{kind:?}");
        }
    }

    #[test]
    fn a_status_has_its_name_and_other_numbers_have_none() {
        let name = |status| {
            // SAFETY: the names are texts of the library that end with NUL.
            unsafe { std::ffi::CStr::from_ptr(convoy_status_name(status)) }.to_str().expect("ASCII")
        };
        assert_eq!(name(0), "CONVOY_OK");
        assert_eq!(name(902), "CONVOY_INTERNAL");
        for number in [-1, 11, 299, i32::MAX] {
            assert_eq!(name(number), "CONVOY_UNKNOWN");
        }
    }
}
