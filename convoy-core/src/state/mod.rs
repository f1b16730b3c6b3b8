//! The state of one convoy, changed only by `apply`. Pure.
