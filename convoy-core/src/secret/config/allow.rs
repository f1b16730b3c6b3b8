//! `secret-scan-config.yml`: what is no secret.

use std::ops::Range;

use regex::bytes::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::super::redactor::Finding;
use super::{ScanConfig, expression};

/// Entries that are read.
const MAX_ENTRIES: usize = 2_000;

/// A secret that was found, for whoever may allow it.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    pub(super) kind: &'a str,
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// The secret in the text.
    pub(super) secret: Range<usize>,
    /// All that a rule matched, where a rule found it.
    pub(super) whole: Option<Range<usize>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(path: &'a str, text: &'a str, finding: &'a Finding) -> Self {
        Self { kind: &finding.kind, path, text, secret: finding.range.clone(), whole: None }
    }

    pub(super) fn secret(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.secret.clone()]
    }

    /// The lines that the secret stands on.
    pub(super) fn lines(&self) -> Range<usize> {
        let (start, end) = (self.secret.start, self.secret.end);
        let from = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let until = self.text[end..].find('\n').map_or(self.text.len(), |newline| end + newline);
        from..until
    }

    /// Whether the expression matches in the secret's lines so that the match and the secret overlap.
    pub(super) fn overlapped_by(&self, regex: &Regex) -> bool {
        let lines = self.lines();
        let base = lines.start;
        regex.find_iter(&self.text.as_bytes()[lines]).any(|found| {
            !found.is_empty()
                && base + found.start() < self.secret.end
                && self.secret.start < base + found.end()
        })
    }
}

/// An entry of the list.
#[derive(Debug)]
pub(super) struct Allowed {
    regex: Regex,
    /// One must be a part of the path, if there are any.
    paths: Vec<String>,
}

impl Allowed {
    pub(super) fn covers(&self, subject: &Subject<'_>) -> bool {
        let here =
            self.paths.is_empty() || self.paths.iter().any(|part| subject.path.contains(part.as_str()));
        here && subject.overlapped_by(&self.regex)
    }
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    literal: Option<String>,
    pattern: Option<String>,
    #[serde(default)]
    paths: Vec<String>,
    /// For people.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

/// The entries that can be used.
pub(super) fn read(text: &str, warnings: &mut Vec<String>) -> Vec<Allowed> {
    let mut warn = |text: String| warnings.push(format!("{}: {text}", ScanConfig::ALLOW_FILE));
    let whole = match serde_yaml::from_str::<Option<Value>>(text) {
        Ok(None | Some(Value::Null)) => return Vec::new(),
        Ok(Some(Value::Object(whole))) => whole,
        Ok(Some(_)) => {
            warn("is not read: it must be a mapping with the key `allowlist`".to_owned());
            return Vec::new();
        }
        Err(error) => {
            warn(format!("is not read: {error}"));
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    for (key, value) in whole {
        match (key.as_str(), value) {
            ("allowlist", Value::Array(list)) => entries = list,
            ("allowlist", Value::Null) => {}
            ("allowlist", _) => warn("`allowlist` must be a list".to_owned()),
            (key, _) => warn(format!("`{key}` is not known; there is only `allowlist`")),
        }
    }
    if entries.len() > MAX_ENTRIES {
        warn(format!("only the first {MAX_ENTRIES} of {} entries are used", entries.len()));
    }
    let mut allowed = Vec::new();
    for (index, entry) in entries.into_iter().take(MAX_ENTRIES).enumerate() {
        match allow(entry) {
            Ok(entry) => allowed.push(entry),
            Err(why) => warn(format!("allowlist[{index}] is left out: {why}")),
        }
    }
    allowed
}

fn allow(entry: Value) -> Result<Allowed, String> {
    let entry: Entry = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    let pattern = match (entry.literal, entry.pattern) {
        (Some(literal), None) => regex::escape(&literal),
        (None, Some(pattern)) => pattern,
        (Some(_), Some(_)) => return Err("it has both `literal` and `pattern`; use one".to_owned()),
        (None, None) => return Err("it needs `literal` or `pattern`".to_owned()),
    };
    if pattern.is_empty() {
        return Err("it is empty and would allow everything".to_owned());
    }
    Ok(Allowed { regex: expression::compile(&pattern, true)?, paths: entry.paths })
}
