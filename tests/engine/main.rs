//! The engine through its Rust interface, on real repositories, with agents written in Rust.

mod end;
mod everything;
mod faults;
mod host_code;
mod leases;
mod limits;
mod older;
mod requests;
mod reviews;
mod runs;
