//! The frame around every body: its error is handed over, its panic becomes an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::convoy_error;
use crate::status::convoy_status::{self, CONVOY_OK, CONVOY_PANICKED, CONVOY_POISONED};

/// Runs `body` and answers for it. `err` is written to only when it failed.
///
/// # Safety
/// `err` must be NULL or valid for one write, and aligned.
pub(crate) unsafe fn call(
    err: *mut *mut convoy_error,
    body: impl FnOnce() -> Result<(), convoy_error>,
) -> convoy_status {
    // Unwind safety: a body writes its outputs last, and whatever else it had in its hands is gone with it.
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return CONVOY_OK,
        Ok(Err(error)) => error,
        Err(payload) => panicked(payload),
    };
    let status = error.status();
    if status.is_quiet() {
        return status;
    }
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { error.give(err) };
    status
}

/// Runs what cannot answer, such as a call that frees. A panic ends there.
pub(crate) fn quietly(body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        drop(panicked(payload));
    }
}

/// Whether an engine, with its runs, can still be relied on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Poison(Arc<AtomicBool>);

impl Poison {
    /// Runs `body`, unless an earlier one panicked.
    pub(crate) fn guard(&self, body: impl FnOnce() -> Result<(), convoy_error>) -> Result<(), convoy_error> {
        if self.0.load(Ordering::Acquire) {
            let message = "an earlier call on this engine panicked: free it, and build a new one";
            return Err(convoy_error::new(CONVOY_POISONED, message));
        }
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
            self.0.store(true, Ordering::Release);
            resume_unwind(payload)
        })
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> convoy_error {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let error = convoy_error::new(
        CONVOY_PANICKED,
        format!("the library has a fault, please report it with this text: panicked: {what}"),
    );
    // An unknown payload may panic again when it is dropped, outside of any guard: it is leaked instead.
    if !payload.is::<&str>() && !payload.is::<String>() {
        std::mem::forget(payload);
    }
    error
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;
    use std::ptr;

    use super::*;
    use crate::error::{convoy_error_free, convoy_error_message};
    use crate::status::convoy_status::CONVOY_NULL_ARGUMENT;

    /// Status and message of a body.
    fn outcome(body: impl FnOnce() -> Result<(), convoy_error>) -> (convoy_status, String) {
        let mut error = ptr::null_mut();
        // SAFETY: a local variable may be written to; the error is live until it is freed.
        unsafe {
            let status = call(&raw mut error, body);
            let message = std::ffi::CStr::from_ptr(convoy_error_message(error, ptr::null_mut()));
            let message = message.to_str().expect("UTF-8").to_owned();
            convoy_error_free(error);
            (status, message)
        }
    }

    #[test]
    fn a_body_that_succeeds_writes_no_error() {
        assert_eq!(outcome(|| Ok(())), (CONVOY_OK, String::new()));
    }

    #[test]
    fn a_body_that_fails_hands_its_error_over() {
        let failed = outcome(|| Err(convoy_error::new(CONVOY_NULL_ARGUMENT, "no text")));
        assert_eq!(failed, (CONVOY_NULL_ARGUMENT, "no text".to_owned()));
    }

    #[test]
    fn a_panic_becomes_a_status_whatever_it_carries() {
        struct DropsBadly;
        impl Drop for DropsBadly {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        type Body = Box<dyn FnOnce()>;
        let number = 7;
        let cases: [(Body, &str); 3] = [
            (Box::new(|| panic!("plain")), "panicked: plain"),
            (Box::new(move || panic!("formatted {number}")), "panicked: formatted 7"),
            (Box::new(|| panic_any(DropsBadly)), "panicked: no message"),
        ];
        for (body, end) in cases {
            let (status, message) = outcome(|| {
                body();
                Ok(())
            });
            assert_eq!(status, CONVOY_PANICKED);
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn a_panic_poisons_what_it_belongs_to_and_nothing_else() {
        let (one, other) = (Poison::default(), Poison::default());
        assert_eq!(outcome(|| one.guard(|| Ok(()))).0, CONVOY_OK);
        let (status, message) = outcome(|| one.clone().guard(|| panic!("once")));
        assert_eq!(status, CONVOY_PANICKED);
        assert!(message.ends_with("panicked: once"), "{message}");
        assert_eq!(outcome(|| one.guard(|| Ok(()))).0, CONVOY_POISONED);
        assert_eq!(outcome(|| other.guard(|| Ok(()))).0, CONVOY_OK);
    }

    #[test]
    fn nothing_yet_is_a_status_without_an_error() {
        let empty = outcome(|| Err(convoy_error::quiet(convoy_status::CONVOY_EMPTY)));
        assert_eq!(empty, (convoy_status::CONVOY_EMPTY, String::new()));
    }

    #[test]
    fn what_cannot_answer_ends_its_panic() {
        quietly(|| panic!("nobody hears of it"));
    }

    #[test]
    fn a_failure_whose_error_is_not_wanted_is_still_a_status() {
        // SAFETY: NULL is allowed.
        let status = unsafe { call(ptr::null_mut(), || Err(convoy_error::new(CONVOY_NULL_ARGUMENT, "x"))) };
        assert_eq!(status, CONVOY_NULL_ARGUMENT);
    }
}
