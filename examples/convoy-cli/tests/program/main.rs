//! The program as a person calls it, in processes of its own: exit codes, what goes where, signals, and
//! that commands that only look create nothing.

mod calls;
mod demo;
mod place;
mod runs;
mod signals;
