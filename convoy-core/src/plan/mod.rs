//! A valid spec to a plan: graph, phases, longest paths, exclusions. Pure.
//!
//! [`check()`] goes the whole way from text to plan and reports every problem with its place; [`plan()`]
//! starts from a spec that is already decoded.

mod artifacts;
mod build;
mod check;
mod graph;
mod model;
mod overlap;
mod problem;
mod reach;
#[cfg(test)]
mod tests;

pub use self::build::plan;
pub use self::check::{Checked, CheckedFormula, check, check_bytes, check_formula};
pub use self::model::{Plan, PlannedTask};
pub use self::problem::PlanProblem;
