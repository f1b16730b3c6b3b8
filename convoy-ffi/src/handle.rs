//! The handles that hosts hold: numbers in the shape of pointers, looked up at every call.
//!
//! A handle is never followed, so one that was freed, or is of another kind, or was made up is told apart from a live
//! one and answered with a status. Numbers are not used twice.

use std::any::Any;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::convoy_error;
use crate::pointer::null;
use crate::status::convoy_status::{CONVOY_BAD_HANDLE, CONVOY_FORKED};

/// A type that hosts hold handles of, and the object behind it.
pub(crate) trait Handle {
    /// What a handle stands for.
    type Object: Any + Send + Sync;
}

type Objects = BTreeMap<usize, Arc<dyn Any + Send + Sync>>;

static LIVE: RwLock<Objects> = RwLock::new(Objects::new());
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// The process that uses the library; 0 = none yet.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Refuses to work in a fork: the threads of the engine are not there, and locks may be held for ever.
pub(crate) fn must_be_own_process() -> Result<(), convoy_error> {
    let me = std::process::id();
    match OWNER.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(()),
        Err(owner) if owner == me => Ok(()),
        Err(owner) => {
            let message = format!(
                "this process is a fork of process {owner}, which uses the library: use it there, or start a \
                 new program"
            );
            Err(convoy_error::new(CONVOY_FORKED, message))
        }
    }
}

/// Makes a handle for an object.
pub(crate) fn insert<H: Handle>(object: Arc<H::Object>) -> *mut H {
    // Multiples of 16, as pointers of the allocator are: nothing on the way may use the low bits.
    let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(16);
    LIVE.write().unwrap_or_else(PoisonError::into_inner).insert(number, object);
    ptr::without_provenance_mut(number)
}

/// The object of a handle. It lives on until the answer is dropped, also when the handle is freed meanwhile.
pub(crate) fn find<H: Handle>(handle: *const H, argument: &str) -> Result<Arc<H::Object>, convoy_error> {
    must_be_own_process()?;
    if handle.is_null() {
        return Err(null(argument));
    }
    let found = LIVE.read().unwrap_or_else(PoisonError::into_inner).get(&handle.addr()).cloned();
    let object = found.ok_or_else(|| {
        let message =
            format!("`{argument}` is no live handle: it was freed, or did not come from this library");
        convoy_error::new(CONVOY_BAD_HANDLE, message)
    })?;
    object.downcast().map_err(|_| {
        convoy_error::new(CONVOY_BAD_HANDLE, format!("`{argument}` is a handle of another kind"))
    })
}

/// Ends a handle. `None` when it is none, or this process is a fork.
pub(crate) fn remove<H: Handle>(handle: *mut H) -> Option<Arc<H::Object>> {
    let object = find(handle.cast_const(), "handle").ok()?;
    // Of two threads that free it at once, one removes it.
    LIVE.write().unwrap_or_else(PoisonError::into_inner).remove(&handle.addr())?;
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::convoy_status::CONVOY_NULL_ARGUMENT;

    #[derive(Debug)]
    struct One;
    #[derive(Debug)]
    struct Other;
    impl Handle for One {
        type Object = u32;
    }
    impl Handle for Other {
        type Object = String;
    }

    #[test]
    fn a_handle_finds_its_object_until_it_is_freed_and_never_again() {
        let handle: *mut One = insert(Arc::new(7_u32));
        assert_eq!(*find(handle.cast_const(), "x").expect("live"), 7);
        let kept = find(handle.cast_const(), "x").expect("live");
        assert_eq!(remove(handle).as_deref(), Some(&7));
        assert_eq!(*kept, 7, "who is using it keeps it");
        assert!(remove(handle).is_none());
        let next: *mut One = insert(Arc::new(8_u32));
        assert_ne!(next, handle, "numbers are not used twice");
        assert_eq!(find(handle.cast_const(), "x").expect_err("freed").status(), CONVOY_BAD_HANDLE);
        assert!(remove(next).is_some());
    }

    #[test]
    fn what_is_no_handle_of_the_kind_is_refused() {
        let handle: *mut One = insert(Arc::new(7_u32));
        let as_other: *const Other = handle.cast_const().cast();
        assert_eq!(find(as_other, "x").expect_err("of another kind").status(), CONVOY_BAD_HANDLE);
        assert!(remove(as_other.cast_mut()).is_none(), "nor can it be freed as another kind");
        let null = find(ptr::null::<One>(), "engine").expect_err("NULL");
        assert_eq!(null.status(), CONVOY_NULL_ARGUMENT);
        assert!(null.message().contains("`engine`"), "{}", null.message());
        let local = 5_u32;
        let foreign: *const One = (&raw const local).cast();
        assert_eq!(find(foreign, "x").expect_err("foreign").status(), CONVOY_BAD_HANDLE);
        assert!(remove(handle).is_some());
    }
}
