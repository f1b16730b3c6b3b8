//! Programs whose JSON is described by pointers in a profile.

use serde_json::Value;

use super::dialect::{Dialect, Facts, excerpt};
use crate::spec::{FieldMap, UsageMode};
use crate::types::{Cost, Failure, FailureKind, Usage};

/// Reads documents by the pointers of a profile.
pub(super) struct Fields {
    name: String,
    map: FieldMap,
}

impl Fields {
    pub(super) fn new(name: &str, map: FieldMap) -> Self {
        Self { name: name.to_owned(), map }
    }

    fn is_end(&self, document: &Value) -> bool {
        let Some(end) = &self.map.terminal else { return false };
        match document.pointer(&end.pointer) {
            Some(Value::Object(_) | Value::Array(_)) | None => false,
            Some(scalar) => plain(scalar) == end.value,
        }
    }

    fn take_usage(&self, document: &Value, end: bool, usage: &mut Usage) {
        let number = |pointer: &Option<String>| at(document, pointer).and_then(tokens);
        let found = Usage {
            input: number(&self.map.input_tokens),
            output: number(&self.map.output_tokens),
            cost_usd: at(document, &self.map.cost_usd).and_then(dollars),
            ..Usage::default()
        };
        match self.map.usage {
            UsageMode::Sum => usage.add(&found),
            UsageMode::Running => {
                usage.input = found.input.or(usage.input);
                usage.output = found.output.or(usage.output);
                usage.cost_usd = found.cost_usd.or(usage.cost_usd);
            }
            UsageMode::Final if self.map.terminal.is_some() => {
                if end {
                    *usage = found;
                }
            }
            UsageMode::Final => {
                if !found.is_empty() {
                    *usage = found;
                }
            }
        }
    }

    /// The failure that a document declares.
    fn failure(&self, document: &Value) -> Option<Failure> {
        let said = match at(document, &self.map.error)? {
            Value::Null | Value::Bool(false) => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            Value::Bool(true) => at(document, &self.map.result).map(plain).unwrap_or_default(),
            other => other.to_string(),
        };
        let message = if said.is_empty() {
            format!("{} reported an error", self.name)
        } else {
            format!("{} reported an error: {}", self.name, excerpt(&said))
        };
        Some(Failure::new(FailureKind::Error, message))
    }
}

impl Dialect for Fields {
    fn document(&mut self, raw: &[u8], facts: &mut Facts) -> bool {
        let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice::<Value>(raw) else {
            return false;
        };
        let end = self.is_end(&document);
        if let Some(id) = at(&document, &self.map.session) {
            facts.set_session(&plain(id));
        }
        self.take_usage(&document, end, &mut facts.usage);
        if let Some(result) = at(&document, &self.map.result).filter(|value| !value.is_null()) {
            facts.set_result(&plain(result));
        }
        let failure = self.failure(&document);
        if end {
            // The document that ends the run decides: an error before it was overcome.
            facts.failure = failure;
            facts.finished = true;
        } else if failure.is_some() && !facts.finished {
            facts.failure = failure;
        }
        true
    }

    fn documents_are_text(&self) -> bool {
        self.map.result.is_none()
    }

    fn needs_end(&self) -> bool {
        self.map.terminal.is_some()
    }
}

fn at<'v>(document: &'v Value, pointer: &Option<String>) -> Option<&'v Value> {
    document.pointer(pointer.as_ref()?)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A whole number of tokens; a fraction, a negative number or a text is none.
pub(super) fn tokens(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative, in range"
    )]
    let whole =
        |number: f64| (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// An amount of dollars.
pub(super) fn dollars(value: &Value) -> Option<Cost> {
    value.as_f64().filter(|amount| (0.0..1e9).contains(amount)).map(Cost::from)
}
