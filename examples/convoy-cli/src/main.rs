//! The `convoy` program.
fn main() {}
