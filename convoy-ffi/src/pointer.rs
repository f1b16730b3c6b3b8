//! Pointers of the host turned into what Rust can work with, or into an error.

use crate::error::convoy_error;
use crate::status::convoy_status::{CONVOY_BAD_LENGTH, CONVOY_NULL_ARGUMENT};

/// A place of the host's that one value will be written to. It is never read, so it may be uninitialised.
#[derive(Debug)]
pub(crate) struct Out<T> {
    place: *mut T,
}

impl<T> Out<T> {
    /// The place `pointer`, or an error that names the argument when it is NULL.
    ///
    /// # Safety
    /// If `pointer` is not NULL it must be valid for one write of a `T`, and aligned, until the `Out` is gone.
    pub(crate) unsafe fn new(pointer: *mut T, argument: &str) -> Result<Self, convoy_error> {
        if pointer.is_null() { Err(null(argument)) } else { Ok(Self { place: pointer }) }
    }

    /// Writes the value. What was there before is overwritten, not dropped.
    pub(crate) fn write(self, value: T) {
        // SAFETY: the place is not NULL, and whoever made this `Out` promised that it may be written to.
        unsafe { self.place.write(value) }
    }
}

/// The `len` bytes at `pointer`. NULL stands for no bytes when `len` is 0, as an empty view in C++ has it.
///
/// # Safety
/// If `pointer` is not NULL, `len` bytes from there must be readable and stay unchanged during `'a`.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    len: usize,
    argument: &str,
) -> Result<&'a [u8], convoy_error> {
    if len > isize::MAX.unsigned_abs() {
        let message =
            format!("the length {len} of `{argument}` is more than any object can have: pass its bytes");
        return Err(convoy_error::new(CONVOY_BAD_LENGTH, message));
    }
    if pointer.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(argument)) };
    }
    // SAFETY: not NULL; the length fits an object; the caller promised that the bytes are readable and unchanged.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A pointer that must not be NULL is.
pub(crate) fn null(argument: &str) -> convoy_error {
    convoy_error::new(CONVOY_NULL_ARGUMENT, format!("`{argument}` is NULL: pass a pointer to it"))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn null_is_no_bytes_only_with_length_zero() {
        // SAFETY: NULL asks for nothing.
        assert_eq!(unsafe { bytes(ptr::null(), 0, "text") }.expect("no bytes"), b"");
        // SAFETY: NULL asks for nothing.
        let refused = unsafe { bytes(ptr::null(), 1, "text") }.expect_err("NULL with a length");
        assert_eq!(refused.status(), CONVOY_NULL_ARGUMENT);
        assert!(refused.message().contains("`text`"), "{}", refused.message());
    }

    #[test]
    fn a_length_no_object_can_have_is_refused_before_a_byte_is_read() {
        for len in [usize::MAX, isize::MAX.unsigned_abs() + 1] {
            // SAFETY: the length is refused before the pointer is used.
            let refused = unsafe { bytes(b"x".as_ptr(), len, "text") }.expect_err("too long");
            assert_eq!(refused.status(), CONVOY_BAD_LENGTH);
        }
    }

    #[test]
    fn an_output_is_written_over_what_was_there() {
        let mut place = 1_u32;
        // SAFETY: a local variable may be written to.
        unsafe { Out::new(&raw mut place, "out") }.expect("not NULL").write(2);
        assert_eq!(place, 2);
        // SAFETY: NULL asks for nothing.
        let refused = unsafe { Out::<u32>::new(ptr::null_mut(), "out") }.expect_err("NULL");
        assert_eq!(refused.status(), CONVOY_NULL_ARGUMENT);
    }
}
