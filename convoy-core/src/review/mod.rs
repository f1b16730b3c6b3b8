//! The review trait that a host can implement.
//!
//! Reviews are not built yet: the engine's `build()` refuses a [`ReviewRunner`] until they are, so that
//! none is ever configured and silently not asked. The trait is here so that its shape is settled.

mod runner;

pub use self::runner::{
    DiffError, DiffSource, DiffText, ReviewLevel, ReviewReport, ReviewRequest, ReviewRunner, Verdict,
};
