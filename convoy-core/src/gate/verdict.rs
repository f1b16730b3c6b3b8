//! What a built-in gate says.

use crate::types::GateLevel;

/// Most things that one verdict lists; it says how many more there are.
const MOST_LISTED: usize = 50;

/// What a built-in gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its name.
    pub gate: &'static str,
    /// How it takes what it found; `None` when it found nothing.
    pub level: Option<GateLevel>,
    /// Whether the work may go on.
    pub passed: bool,
    /// What it found, for people and for the agent's next attempt: one line, and a list after it.
    pub output: String,
}

impl Verdict {
    /// It found nothing.
    pub fn clean(gate: &'static str) -> Self {
        Self { gate, level: None, passed: true, output: String::new() }
    }

    /// It passes, and says something all the same: why it did not apply, for example.
    pub fn noted(gate: &'static str, output: impl Into<String>) -> Self {
        Self { output: output.into(), ..Self::clean(gate) }
    }

    /// It found something that people should know.
    pub fn warns(gate: &'static str, output: impl Into<String>) -> Self {
        Self { gate, level: Some(GateLevel::Warn), passed: true, output: output.into() }
    }

    /// It found something that keeps the work from landing.
    pub fn blocks(gate: &'static str, output: impl Into<String>) -> Self {
        Self { gate, level: Some(GateLevel::Block), passed: false, output: output.into() }
    }
}

/// A line, and what it is about below it, one a line and not too many.
pub(super) fn listed<T: std::fmt::Display>(line: &str, items: &[T]) -> String {
    let mut text = line.to_owned();
    for item in items.iter().take(MOST_LISTED) {
        text.push_str(&format!("\n{item}"));
    }
    if items.len() > MOST_LISTED {
        text.push_str(&format!("\n[… and {} more]", items.len() - MOST_LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_by_how_much() {
        assert_eq!(listed("two:", &["a", "b"]), "two:\na\nb");
        let many: Vec<usize> = (0..60).collect();
        let text = listed("many:", &many);
        assert!(text.ends_with("\n49\n[… and 10 more]"), "{text}");
    }
}
