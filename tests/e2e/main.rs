//! The program `convoy` on real repositories, with real processes: what a person who runs it can rely on.

mod kill;
mod load;
mod output;
mod stubborn;
mod support;
mod switch;
mod way;
