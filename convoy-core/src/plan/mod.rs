//! A valid spec to a plan: graph, phases, longest paths, exclusions. Pure.

mod model;

pub use self::model::{Plan, PlannedTask};
