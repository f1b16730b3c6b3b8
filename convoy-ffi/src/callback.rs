//! Functions of the host: what they are called with, and the structures that hold them.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use crate::error::convoy_error;
use crate::pointer::null;
use crate::status::convoy_status::CONVOY_BAD_STRUCT;

/// What a host's functions get back as their first argument, with the function that ends it.
#[derive(Debug)]
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

// SAFETY: the header asks of hosts that what they register may be used and destroyed on any thread.
unsafe impl Send for UserData {}
// SAFETY: as above; the pointer is only handed back, never followed here.
unsafe impl Sync for UserData {}

impl UserData {
    /// Takes the data over: `destroy` is called once, when this is dropped.
    pub(crate) fn new(
        data: *mut c_void,
        destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    ) -> Self {
        Self { data, destroy }
    }

    /// The host's pointer.
    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy.take() {
            // SAFETY: the host gave the function for this pointer, and it is called this once.
            unsafe { destroy(self.data) }
        }
    }
}

/// A function of the host that begins something: its data, the request with its length, and the number to answer.
pub(crate) type Begin =
    unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64);

/// One that is told that the answer is no longer needed.
pub(crate) type Cancel = unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64);

/// Code of the host that answers later: its data, and what all of its questions have.
#[derive(Debug)]
pub(crate) struct Code {
    user_data: UserData,
    cancel: Option<Cancel>,
}

impl Code {
    pub(crate) fn new(user_data: UserData, cancel: Option<Cancel>) -> Self {
        Self { user_data, cancel }
    }

    /// Hands a request over, which ends with a NUL for readers in C.
    pub(crate) fn begin(&self, step: Begin, request: &str, id: u64) {
        let len = request.len().saturating_sub(1);
        // SAFETY: the host gave the function with this data, which is not destroyed as long as `self` lives; the request
        // is readable during the call.
        unsafe { step(self.user_data.get(), request.as_ptr().cast(), len, id) }
    }

    /// Says that the answer is no longer needed.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(cancel) = self.cancel {
            // SAFETY: as above.
            unsafe { cancel(self.user_data.get(), id) }
        }
    }
}

/// A structure of functions that a host fills in: `#[repr(C)]`, of plain data for which all zero is a value, and
/// beginning with the members of [`Head`].
///
/// # Safety
/// Only for types of which that is true.
pub(crate) unsafe trait Table: Copy {
    /// Its size in the first version of the interface, in bytes.
    const FIRST_SIZE: usize;
}

/// What every such structure begins with.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    struct_size: usize,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

/// A size that no structure of functions will ever have: what is larger was never set.
const IMPOSSIBLE: usize = 4096;

/// Reads a host's structure and takes its user data over. The data goes with it when it is refused.
///
/// # Safety
/// `pointer` must be NULL or point to a readable `size_t`; where that is at most [`IMPOSSIBLE`], so many bytes must be
/// readable from there, and its `destroy` must be a function for its `user_data`.
pub(crate) unsafe fn read_table<T: Table>(
    pointer: *const T,
    argument: &str,
) -> Result<(T, UserData), convoy_error> {
    if pointer.is_null() {
        return Err(null(argument));
    }
    // SAFETY: not NULL; the caller promises a readable size.
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    if !(size_of::<Head>()..=IMPOSSIBLE).contains(&size) {
        let message = format!("`{argument}->struct_size` is {size}: set it to sizeof of the structure");
        return Err(convoy_error::new(CONVOY_BAD_STRUCT, message));
    }
    // SAFETY: the caller promises `size` readable bytes, which are enough for the head.
    let head = unsafe { pointer.cast::<Head>().read_unaligned() };
    let user_data = UserData::new(head.user_data, head.destroy);
    if size < T::FIRST_SIZE {
        let message = format!(
            "`{argument}->struct_size` is {size}, less than the {} of the first version: set it to sizeof of the \
             structure",
            T::FIRST_SIZE
        );
        return Err(convoy_error::new(CONVOY_BAD_STRUCT, message));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: the caller promises `size` readable bytes; the rest begins inside of them, or at their end.
    let rest = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(known), size - known) };
    if rest.iter().any(|byte| *byte != 0) {
        let message = format!(
            "`{argument}` has members that this version of the library does not know: leave them zero, or use a \
             newer library"
        );
        return Err(convoy_error::new(CONVOY_BAD_STRUCT, message));
    }
    let mut table = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes are readable there and fit here; the two do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), table.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: a `Table` is plain data for which zero is a value; what is not zero came from the host's own structure.
    Ok((unsafe { table.assume_init() }, user_data))
}

/// The function of a structure that must be there.
pub(crate) fn required<F>(function: Option<F>, argument: &str, name: &str) -> Result<F, convoy_error> {
    function.ok_or_else(|| {
        let message = format!("`{argument}->{name}` is NULL: set it to your function");
        convoy_error::new(CONVOY_BAD_STRUCT, message)
    })
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::status::convoy_status::CONVOY_NULL_ARGUMENT;

    #[repr(C)]
    #[derive(Debug, Clone, Copy)]
    struct Sample {
        struct_size: usize,
        user_data: *mut c_void,
        destroy: Option<unsafe extern "C" fn(*mut c_void)>,
        first: usize,
        added_later: usize,
    }

    // SAFETY: plain data, and it begins with the head.
    unsafe impl Table for Sample {
        const FIRST_SIZE: usize = size_of::<usize>() * 4;
    }

    unsafe extern "C" fn count(user_data: *mut c_void) {
        // SAFETY: the tests give a counter that outlives its structure.
        unsafe { &*user_data.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    }

    fn sample(counter: &AtomicU32) -> Sample {
        let user_data = ptr::from_ref(counter).cast_mut().cast();
        Sample { struct_size: size_of::<Sample>(), user_data, destroy: Some(count), first: 1, added_later: 2 }
    }

    #[test]
    fn a_structure_of_an_older_header_is_read_as_far_as_it_goes() {
        let counter = AtomicU32::new(0);
        let mut given = sample(&counter);
        for (size, added_later) in [(size_of::<Sample>(), 2), (Sample::FIRST_SIZE, 0)] {
            given.struct_size = size;
            // SAFETY: a local structure.
            let (read, data) = unsafe { read_table(&raw const given, "table") }.expect("read");
            assert_eq!((read.first, read.added_later), (1, added_later));
            assert_eq!(data.get(), given.user_data);
            drop(data);
        }
        assert_eq!(counter.load(Ordering::Relaxed), 2, "each was destroyed once");
    }

    #[test]
    fn a_structure_that_cannot_be_read_is_refused_and_its_data_destroyed_once() {
        let counter = AtomicU32::new(0);
        let mut given = sample(&counter);
        given.struct_size = Sample::FIRST_SIZE - 1;
        // SAFETY: a local structure.
        let refused = unsafe { read_table(&raw const given, "table") }.expect_err("too small");
        assert_eq!((refused.status(), counter.load(Ordering::Relaxed)), (CONVOY_BAD_STRUCT, 1));
        for size in [0, size_of::<Head>() - 1, IMPOSSIBLE + 1, usize::MAX] {
            given.struct_size = size;
            // SAFETY: a local structure, of which no more than the size is read.
            let refused = unsafe { read_table(&raw const given, "table") }.expect_err("impossible");
            assert_eq!(refused.status(), CONVOY_BAD_STRUCT);
        }
        assert_eq!(counter.load(Ordering::Relaxed), 1, "what cannot be known is not called");
        // SAFETY: NULL asks for nothing.
        let refused = unsafe { read_table(ptr::null::<Sample>(), "table") }.expect_err("NULL");
        assert_eq!(refused.status(), CONVOY_NULL_ARGUMENT);
    }

    #[test]
    fn members_of_a_newer_header_must_be_zero() {
        #[repr(C)]
        struct Newer {
            known: Sample,
            unknown: [u8; 16],
        }
        let counter = AtomicU32::new(0);
        let mut given = Newer { known: sample(&counter), unknown: [0; 16] };
        given.known.struct_size = size_of::<Newer>();
        // SAFETY: a local structure of the size that it says.
        drop(unsafe { read_table((&raw const given).cast::<Sample>(), "table") }.expect("zero"));
        given.unknown[15] = 1;
        // SAFETY: a local structure of the size that it says.
        let refused =
            unsafe { read_table((&raw const given).cast::<Sample>(), "table") }.expect_err("not zero");
        assert!(refused.message().contains("newer"), "{}", refused.message());
        assert_eq!(counter.load(Ordering::Relaxed), 2, "accepted or refused, each was destroyed once");
    }
}
