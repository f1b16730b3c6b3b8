//! What an earlier engine of this kind got wrong: a test for each.

mod adapters;
mod artifacts;
mod checks;
mod conflicts;
mod crashes;
mod drift;
mod end;
mod gates;
mod guard;
mod hooks;
mod landing;
mod order;
mod places;
mod policy;
mod programs;
mod prompts;
mod records;
mod retries;
mod reviews;
mod secrets;
mod steps;
mod support;
mod vandals;
