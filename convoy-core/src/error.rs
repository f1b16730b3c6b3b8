//! The one public error.
