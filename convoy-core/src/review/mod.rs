//! Reviews: the trait that a host can implement, the reviewing agent, the rules of levels, panels and budgets.
//!
//! [`choose`] says which review a piece of work gets, [`grant`] what a budget makes of that. A [`ReviewRunner`]
//! gives one verdict; [`AgentReviewer`] is the built-in one, and [`count`] turns the verdicts of a panel into one.

mod agent;
mod answer;
mod budget;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod level;
mod panel;
mod prompt;
mod runner;

#[cfg(test)]
mod tests;

pub use self::agent::AgentReviewer;
pub use self::budget::{Grant, grant};
pub use self::level::{ChangeSize, Choice, choose};
pub use self::panel::{PANEL, PanelVerdict, count};
pub use self::runner::{
    DiffError, DiffSource, DiffText, ReviewLog, ReviewReport, ReviewRequest, ReviewRunner, Verdict,
};
