//! The error object.

use std::ffi::c_char;

use convoy_core::error::Error;

use crate::pointer::Out;
use crate::status::convoy_status;

/// Why a call failed. Made by the call that failed, owned by the program, freed with `convoy_error_free`.
///
/// An error never changes.
#[expect(non_camel_case_types, reason = "the C name, so that one search finds both sides")]
#[derive(Debug)]
pub struct convoy_error {
    status: convoy_status,
    message: Text,
    /// The message and those of its causes.
    chain: Text,
    /// JSON, or empty.
    details: Text,
}

/// UTF-8 without NUL inside, and one NUL after it.
#[derive(Debug)]
struct Text(String);

impl Text {
    /// A NUL in the text is replaced: a C reader would take it for the end.
    fn new(text: String) -> Self {
        let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
        text.push('\0');
        Self(text)
    }

    fn as_str(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }
}

impl convoy_error {
    /// An error with its text and no cause.
    pub(crate) fn new(status: convoy_status, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            chain: Text::new(message.clone()),
            message: Text::new(message),
            details: Text::new(String::new()),
        }
    }

    /// That there is nothing (yet), which is no failure and reaches the host as a status only.
    pub(crate) fn quiet(status: convoy_status) -> Self {
        Self::new(status, String::new())
    }

    /// Its status, never `CONVOY_OK`.
    pub(crate) fn status(&self) -> convoy_status {
        self.status
    }

    /// Its text.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        self.message.as_str()
    }

    /// Hands the error over to the host, which may not want it.
    ///
    /// # Safety
    /// As for [`Out::new`].
    pub(crate) unsafe fn give(self, err: *mut *mut convoy_error) {
        // SAFETY: the caller promises what `Out` asks for.
        if let Ok(out) = unsafe { Out::new(err, "err") } {
            out.write(Box::into_raw(Box::new(self)));
        }
    }
}

impl From<Error> for convoy_error {
    fn from(error: Error) -> Self {
        Self {
            status: error.kind().into(),
            message: Text::new(error.to_string()),
            chain: Text::new(error.chain()),
            details: Text::new(error.details().map(ToString::to_string).unwrap_or_default()),
        }
    }
}

/// A text of an error, as C reads it.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
unsafe fn text_of(
    error: *const convoy_error,
    len: *mut usize,
    text: fn(&convoy_error) -> &Text,
) -> *const c_char {
    // SAFETY: the caller promises NULL or a live error.
    let error = unsafe { error.as_ref() };
    // SAFETY: the caller promises NULL or a place that may be written to.
    if let Ok(out) = unsafe { Out::new(len, "len") } {
        out.write(error.map_or(0, |error| text(error).as_str().len()));
    }
    error.map_or(c"".as_ptr(), |error| text(error).0.as_ptr().cast())
}

/// The status of an error: the same as the call returned that made it. `CONVOY_OK` for NULL, which is no error.
///
/// Ownership: the error stays yours.
/// Threads: any, at once, also on one error. Does not wait.
/// Errors: none.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_error_status(error: *const convoy_error) -> convoy_status {
    // SAFETY: the caller promises NULL or a live error.
    unsafe { error.as_ref() }.map_or(convoy_status::CONVOY_OK, convoy_error::status)
}

/// What went wrong and what to do about it: UTF-8, for people, NUL-terminated and without a NUL before its end.
/// It belongs to the error and stays valid until the error is freed. Never NULL; empty for a NULL `error`.
///
/// `len`, if it is not NULL, is set to the number of bytes, the NUL not counted.
///
/// Ownership: the text belongs to the error.
/// Threads: any, at once, also on one error. Does not wait.
/// Errors: none.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_error_message(error: *const convoy_error, len: *mut usize) -> *const c_char {
    // SAFETY: the caller promises what is asked for.
    unsafe { text_of(error, len, |error| &error.message) }
}

/// The message and, after colons, those of its causes: what a program prints, once. Otherwise as
/// `convoy_error_message`.
///
/// Ownership: the text belongs to the error.
/// Threads: any, at once, also on one error. Does not wait.
/// Errors: none.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_error_chain(error: *const convoy_error, len: *mut usize) -> *const c_char {
    // SAFETY: the caller promises what is asked for.
    unsafe { text_of(error, len, |error| &error.chain) }
}

/// Details for programs, as JSON; empty where there are none. With CONVOY_INVALID_SPEC it is the list of problems,
/// as in the "problems" of `convoy_check_spec`. Otherwise as `convoy_error_message`.
///
/// Ownership: the text belongs to the error.
/// Threads: any, at once, also on one error. Does not wait.
/// Errors: none.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_error_details(error: *const convoy_error, len: *mut usize) -> *const c_char {
    // SAFETY: the caller promises what is asked for.
    unsafe { text_of(error, len, |error| &error.details) }
}

/// Frees an error. NULL is fine to free. The error must not be in use on any other thread.
///
/// Ownership: the error is gone.
/// Threads: any; one error on one thread, where no other uses it. Does not wait.
/// Errors: none.
///
/// # Safety
/// `error` must be NULL or an error that is not yet freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_error_free(error: *mut convoy_error) {
    if !error.is_null() {
        // SAFETY: errors reach the host only through `give`, as boxes; the caller promises that it is a live one.
        drop(unsafe { Box::from_raw(error) });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;
    use crate::status::convoy_status::{CONVOY_BAD_UTF8, CONVOY_OK};

    #[test]
    fn an_error_keeps_its_status_and_its_text_without_nul() {
        let mut error = ptr::null_mut();
        let mut len = 99;
        // SAFETY: local variables may be written to; the error is live until it is freed.
        unsafe {
            convoy_error::new(CONVOY_BAD_UTF8, "gr\u{fc}n\0").give(&raw mut error);
            assert_eq!(convoy_error_status(error), CONVOY_BAD_UTF8);
            let text = CStr::from_ptr(convoy_error_message(error, &raw mut len));
            assert_eq!(text.to_str(), Ok("gr\u{fc}n\u{fffd}"));
            assert_eq!(len, text.count_bytes());
            assert_eq!(convoy_error_message(error, ptr::null_mut()), text.as_ptr());
            convoy_error_free(error);
        }
    }

    #[test]
    fn an_error_of_the_engine_keeps_its_causes_and_details() {
        let core = Error::new(convoy_core::error::ErrorKind::Busy, "it is run")
            .because(std::io::Error::other("by another"))
            .with_details(serde_json::json!({"pid": 7}));
        let error = convoy_error::from(core);
        // SAFETY: a local error; NULL asks for no length.
        unsafe {
            let text = |text: *const c_char| CStr::from_ptr(text).to_str().expect("UTF-8").to_owned();
            assert_eq!(convoy_error_status(&raw const error) as i32, 106);
            assert_eq!(text(convoy_error_message(&raw const error, ptr::null_mut())), "it is run");
            assert_eq!(text(convoy_error_chain(&raw const error, ptr::null_mut())), "it is run: by another");
            assert_eq!(text(convoy_error_details(&raw const error, ptr::null_mut())), r#"{"pid":7}"#);
        }
    }

    #[test]
    fn null_is_no_error() {
        let mut len = 99;
        // SAFETY: NULL is allowed; a local variable may be written to.
        unsafe {
            assert_eq!(convoy_error_status(ptr::null()), CONVOY_OK);
            assert_eq!(CStr::from_ptr(convoy_error_message(ptr::null(), &raw mut len)), c"");
            convoy_error_free(ptr::null_mut());
        }
        assert_eq!(len, 0);
    }

    #[test]
    fn a_host_that_wants_no_error_gets_none() {
        // SAFETY: NULL is allowed.
        unsafe { convoy_error::new(CONVOY_BAD_UTF8, "unwanted").give(ptr::null_mut()) };
    }
}
