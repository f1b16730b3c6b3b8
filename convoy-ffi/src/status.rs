//! The status codes every call answers with.

/// What became of a call. A number, once given out, never changes its meaning and is never used again; numbers that
/// this header does not name may come from a newer library and mean failure.
///
/// Families: 1 to 99 are mistakes in the call itself, 900 to 999 are faults of the library.
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
    /// The library has a fault: it panicked, and the panic was caught. Nothing was written to the outputs.
    CONVOY_PANICKED = 900,
}
