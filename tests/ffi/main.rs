//! The C interface from outside: its header, its symbols, and C programs that use it.

mod baseline;
mod header;
mod programs;
mod support;
mod versions;
