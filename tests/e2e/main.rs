//! The program `convoy` on real repositories, with real processes: what a person who runs it can rely on.

mod batches;
mod crash;
mod end;
mod follow;
mod formula;
mod full;
mod hooks;
mod hostile;
mod inject;
mod kill;
mod letters;
mod load;
mod output;
mod people;
mod prune;
mod repositories;
mod secrets;
mod show;
mod stored;
mod stubborn;
mod support;
mod switch;
mod together;
mod unusual;
mod verify;
mod way;
