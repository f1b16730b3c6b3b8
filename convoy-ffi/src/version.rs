//! What a host asks before anything else: which library is this?

use std::ffi::{CStr, c_char};

/// The number of this interface; 1 is that of the first release. It changes when something other than an addition is made:
/// a function, status or member that goes or moves, has another type or another meaning. Additions are functions,
/// statuses, members of JSON that comes out, and members at the end of structures that begin with `struct_size`.
pub const CONVOY_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a package version holds no NUL"),
};

/// The number of the interface that the loaded library has. A program compares it with `CONVOY_ABI_VERSION`, the
/// number it was compiled with, before it makes any other call; where they differ, it must not go on.
///
/// Ownership: the number is a copy.
/// Threads: any, at any time. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_abi_version() -> u32 {
    CONVOY_ABI_VERSION
}

/// The version of the loaded library, for people: "MAJOR.MINOR.PATCH", perhaps with a suffix as in "1.0.0-beta.2".
///
/// The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not be
/// freed.
///
/// Ownership: the text belongs to the library.
/// Threads: any, at any time. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_version() -> *const c_char {
    VERSION.as_ptr()
}
