//! The review trait that a host can implement.
