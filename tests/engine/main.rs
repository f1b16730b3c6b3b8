//! The engine through its Rust interface, on real repositories, with agents written in Rust.

mod end;
mod everything;
mod faults;
mod host_code;
mod isolation;
mod landing;
mod leases;
mod limits;
mod older;
mod prune;
mod requests;
mod reviews;
mod runs;
mod telling;
mod told;
mod warm;
