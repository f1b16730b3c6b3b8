//! Prints the reference page of the convoy file: `cargo run -p convoy-core --example reference`.
#![expect(clippy::disallowed_macros, reason = "an example prints")]

fn main() {
    print!("{}", convoy_core::spec::reference_markdown());
}
