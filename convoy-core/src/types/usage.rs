//! What an agent consumed. An absent number is absent, never zero.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of money in US dollars, kept in whole millionths so that sums are exact. Its JSON is a
/// number of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Cost(pub u64);

impl From<f64> for Cost {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    fn from(dollars: f64) -> Self {
        Self((dollars * 1e6).round() as u64)
    }
}

impl From<Cost> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^53 millionths")]
    fn from(cost: Cost) -> Self {
        cost.0 as f64 / 1e6
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.4}", f64::from(*self))
    }
}

/// Tokens and money that an agent reported. `input` excludes cached tokens, whatever the program's
/// own counting; see the parsers in `agent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens that were not read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Input tokens read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    /// Tokens written to a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
}

impl Usage {
    /// All tokens that are known, or `None` when none is.
    pub fn total_tokens(&self) -> Option<u64> {
        [self.input, self.cached_input, self.cache_write, self.output].into_iter().fold(None, add)
    }

    /// Adds what another run reported; a number is absent only when it is absent on both sides.
    pub fn add(&mut self, other: &Self) {
        self.input = add(self.input, other.input);
        self.cached_input = add(self.cached_input, other.cached_input);
        self.cache_write = add(self.cache_write, other.cache_write);
        self.output = add(self.output, other.output);
        self.cost_usd = add(self.cost_usd.map(|c| c.0), other.cost_usd.map(|c| c.0)).map(Cost);
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_zero() {
        let mut sum = Usage::default();
        assert_eq!(sum.total_tokens(), None);
        sum.add(&Usage { output: Some(3), ..Usage::default() });
        sum.add(&Usage { output: Some(4), cost_usd: Some(Cost::from(0.25)), ..Usage::default() });
        assert_eq!((sum.input, sum.output, sum.total_tokens()), (None, Some(7), Some(7)));
        assert_eq!(serde_json::to_string(&sum).expect("json"), r#"{"output":7,"cost_usd":0.25}"#);
    }
}
