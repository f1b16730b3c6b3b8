//! The C interface from outside: its header, its symbols, and C programs that use it.

mod header;
mod programs;
mod support;
