//! Prints a reference page: `cargo run -p convoy-core --features testing --example reference` that of the convoy file,
//! `… --example reference -- events` that of the events.
#![expect(clippy::disallowed_macros, reason = "an example prints")]

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("events") => print!("{}", convoy_core::event::schema::reference_markdown()),
        _ => print!("{}", convoy_core::spec::reference_markdown()),
    }
}
