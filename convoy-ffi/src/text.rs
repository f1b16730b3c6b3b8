//! Text in, checked, and text out, owned by the host.

use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use crate::error::convoy_error;
use crate::pointer;
use crate::status::convoy_status::CONVOY_BAD_UTF8;

/// A text that the library made and the program owns: it is given back with `convoy_string_free`.
///
/// Both members are for reading only.
#[repr(C)]
#[derive(Debug)]
pub struct convoy_string {
    /// `len` bytes of UTF-8 and a NUL after them. NULL once the text was freed.
    pub data: *mut c_char,
    /// Number of bytes, the NUL not counted.
    pub len: usize,
}

impl convoy_string {
    /// Hands a text over to the host.
    pub(crate) fn new(text: String) -> Self {
        Self::of_bytes(text.into_bytes())
    }

    /// Hands bytes over to the host that need not be text.
    pub(crate) fn of_bytes(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        // Not more than that: what is over would be given back by copying all of it.
        bytes.reserve_exact(1);
        bytes.push(0);
        Self { data: Box::into_raw(bytes.into_boxed_slice()).cast(), len }
    }
}

/// Frees a text that the library made, and sets its members to NULL and 0, so that freeing it again does nothing.
/// NULL, and a `convoy_string` that is all zero, are fine to free.
///
/// Copies of the structure share the one text: free it through one of them and forget the others.
///
/// Ownership: the text is gone.
/// Threads: any; one text on one thread, different ones at once. Does not wait.
/// Errors: none.
///
/// # Safety
/// `string` must be NULL or point to a `convoy_string` that is all zero or as the library wrote it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_string_free(string: *mut convoy_string) {
    if string.is_null() {
        return;
    }
    // SAFETY: not NULL, and the caller promises that it points to a `convoy_string` nobody else uses meanwhile.
    let string = unsafe { &mut *string };
    let data = std::mem::replace(&mut string.data, ptr::null_mut());
    let len = std::mem::take(&mut string.len);
    if !data.is_null() {
        // SAFETY: the members are as `convoy_string::new` wrote them: a boxed slice of `len` bytes and the NUL.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data.cast::<u8>(), len + 1)) });
    }
}

/// The text of `len` bytes at `pointer`, checked.
///
/// # Safety
/// As for [`pointer::bytes`].
pub(crate) unsafe fn read<'a>(
    pointer: *const c_char,
    len: usize,
    argument: &str,
) -> Result<&'a str, convoy_error> {
    // SAFETY: the caller promises what `bytes` asks for.
    let bytes = unsafe { pointer::bytes(pointer.cast(), len, argument) }?;
    std::str::from_utf8(bytes).map_err(|fault| {
        let at = fault.valid_up_to();
        let message = format!("`{argument}` is not valid UTF-8 at byte {at}: convert it to UTF-8 first");
        convoy_error::new(CONVOY_BAD_UTF8, message)
    })
}

/// The same, where NULL with the length 0 stands for no text at all.
///
/// # Safety
/// As for [`pointer::bytes`].
pub(crate) unsafe fn optional<'a>(
    pointer: *const c_char,
    len: usize,
    argument: &str,
) -> Result<Option<&'a str>, convoy_error> {
    if pointer.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller promises what `read` asks for.
    unsafe { read(pointer, len, argument) }.map(Some)
}

/// A path as the host is told it, or what it is told instead: text that goes out is UTF-8, and any other path would be one
/// of something else. `what` is what lies there.
pub(crate) fn of_path<'a>(path: &'a Path, what: &str) -> Result<&'a str, String> {
    path.to_str().ok_or_else(|| {
        format!(
            "the path of {what} is no UTF-8, which every text here is: {}: set \"state_dir\" to a folder whose path is, or \
             rename the folder",
            shown_path(path)
        )
    })
}

/// A path for people only: what is no UTF-8 in it stands there as `\xNN`.
pub(crate) fn shown_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_text_handed_out_has_its_length_and_a_nul_and_can_be_freed_twice() {
        for text in ["", "ascii", "gr\u{fc}n \u{1f69a}", "with\0nul"] {
            let mut string = convoy_string::new(text.to_owned());
            assert_eq!(string.len, text.len());
            // SAFETY: `len` bytes and the NUL are readable, as just written.
            let bytes = unsafe { std::slice::from_raw_parts(string.data.cast::<u8>(), string.len + 1) };
            assert_eq!(bytes, [text.as_bytes(), b"\0"].concat());
            for _ in 0..2 {
                // SAFETY: the string is as it was made, then all zero.
                unsafe { convoy_string_free(&raw mut string) };
                assert!(string.data.is_null());
                assert_eq!(string.len, 0);
            }
        }
    }

    #[test]
    fn a_path_is_told_as_it_is_or_not_at_all() {
        use std::ffi::OsStr;
        let path = Path::new("/gr\u{fc}n/log");
        assert_eq!(of_path(path, "the log"), Ok("/gr\u{fc}n/log"));
        let path = Path::new(OsStr::from_bytes(b"/gr\xfcn/log"));
        let refused = of_path(path, "the log").expect_err("no UTF-8");
        for said in ["the path of the log", "/gr\\xfcn/log", "state_dir"] {
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn freeing_null_does_nothing() {
        // SAFETY: NULL is allowed.
        unsafe { convoy_string_free(ptr::null_mut()) };
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_the_byte_where_it_ends() {
        let bytes = b"name: \xff";
        // SAFETY: the bytes are readable.
        let refused = unsafe { read(bytes.as_ptr().cast(), bytes.len(), "text") }.expect_err("not UTF-8");
        assert_eq!(refused.status(), CONVOY_BAD_UTF8);
        assert!(refused.message().contains("byte 6"), "{}", refused.message());
    }

    #[test]
    fn text_is_read_up_to_its_length_and_may_hold_nul() {
        let text = c"a\u{e9}b";
        // SAFETY: the bytes are readable.
        let read = unsafe { read(CStr::as_ptr(text), 3, "text") }.expect("UTF-8");
        assert_eq!(read, "a\u{e9}");
        // SAFETY: the bytes are readable.
        let read = unsafe { super::read(b"a\0b".as_ptr().cast(), 3, "text") }.expect("UTF-8");
        assert_eq!(read, "a\0b");
    }
}
