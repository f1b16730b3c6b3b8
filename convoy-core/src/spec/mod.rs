//! Text to a valid [`Spec`], or every problem with its line and column. Pure.

mod model;

pub use self::model::{
    CliProfile, Concurrency, EnvValue, FieldMap, OnExhausted, OnFailure, OutputFormat, PromptVia, Retry,
    Spec, Task, TerminalField, UnsupportedField, UsageMode, Worktree,
};
