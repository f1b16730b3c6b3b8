//! Landing: prepare, advance, settle; the trait and its git implementation.
