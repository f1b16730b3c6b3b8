//! Command gates.
