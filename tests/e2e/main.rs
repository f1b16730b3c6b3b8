//! The program `convoy` on real repositories, with real processes: what a person who runs it can rely on.

mod load;
mod support;
mod switch;
mod way;
