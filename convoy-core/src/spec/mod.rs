//! Text to a valid [`Spec`], or every problem with its line and column. Pure.
//!
//! The text becomes a tree of values with places (`yaml`), the tree is checked against one field table
//! (`table`, `walk`), and what passes becomes the typed [`Spec`] (`convoy`, `task`, `profile`). A formula is
//! such a tree with values put into it (`formula`).

mod artifact;
mod built_in;
mod canonical;
mod convoy;
mod cron;
mod cross;
mod decode;
mod formula;
mod guard;
mod hook;
mod host;
mod inactive;
mod inject;
mod merge;
mod model;
mod near;
mod places;
mod problem;
mod profile;
mod reference;
mod review;
mod rules;
mod scalar;
mod schema;
mod step;
mod table;
mod task;
mod tree;
mod value;
mod walk;
mod yaml;

pub use self::artifact::{Input, Output};
pub use self::built_in::{BlastRadius, BuiltInGates, Partition, RegressionTest, Switch};
pub use self::canonical::canonical;
pub use self::decode::{Decoded, MAX_BYTES, decode, decode_bytes};
pub use self::guard::{Guard, GuardCheck};
pub use self::hook::{Hook, HookMoment, HookType};
pub use self::host::{HostKind, HostName, host_names, host_names_of};
pub use self::inactive::inactive_defaults;
pub use self::inject::{Injected, injected_tasks};
pub use self::merge::Merge;
pub use self::model::{
    Approve, Budget, CircuitBreaker, CliProfile, Concurrency, EnvValue, FieldMap, OnExceeded, OnExhausted,
    OnFailure, OutputFormat, PromptVia, Retry, Spec, Task, TerminalField, UnsupportedField, UsageMode,
    Worktree,
};
pub use self::places::place_of;
pub use self::problem::{Pos, Problem, Severity};
pub use self::reference::reference_markdown;
pub use self::review::{OnDispute, OnReviewBudget, ReviewHeuristics, ReviewMode, ReviewSettings};
pub use self::schema::json_schema;
pub use self::step::{Condition, ExitCode, OnStepFailure, Step};

pub(crate) use self::artifact::{Piece, pieces};
pub(crate) use self::decode::{Draft, draft, text_of};
pub(crate) use self::formula::fill;
pub(crate) use self::near::nearest;
pub(crate) use self::places::{Place, Places};
pub(crate) use self::problem::Shown;
