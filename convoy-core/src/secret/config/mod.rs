//! What a repository says about its own secrets: values that are none, and rules of its own.
//!
//! Two files are read, both optional: `secret-scan-config.yml`, a list of what is allowed, and
//! `.gitleaks.toml`, the configuration of another scanner as far as it has a meaning here. Whoever calls
//! this reads them from the commit that a change is based on, never from the change. They decide what the
//! scan of a change reports; what is stored or shown is redacted whatever they say.

mod allow;
mod expression;
mod gitleaks;
mod names;
mod rule;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::allow::{Allowed, Subject};
use self::gitleaks::Gitleaks;
use super::redactor::{Finding, Redactor};

/// Bytes of either file that are read.
const MAX_BYTES: usize = 1024 * 1024;

/// What a repository says about its own secrets.
#[derive(Debug, Default)]
pub struct ScanConfig {
    allowed: Vec<Allowed>,
    gitleaks: Gitleaks,
}

impl ScanConfig {
    /// The name of the file with what is allowed.
    pub const ALLOW_FILE: &str = "secret-scan-config.yml";
    /// The name of the other scanner's configuration.
    pub const GITLEAKS_FILE: &str = ".gitleaks.toml";

    /// Reads the texts of [`Self::ALLOW_FILE`] and [`Self::GITLEAKS_FILE`], each where there is one.
    ///
    /// What cannot be used is left out and named in the second value, a sentence each, which may quote the
    /// files; the rest holds. Nothing that is left out makes the scan report less.
    pub fn from_texts(allow: Option<&str>, gitleaks: Option<&str>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut config = Self::default();
        if let Some(text) = bounded(allow, Self::ALLOW_FILE, &mut warnings) {
            config.allowed = allow::read(text, &mut warnings);
        }
        if let Some(text) = bounded(gitleaks, Self::GITLEAKS_FILE, &mut warnings) {
            config.gitleaks = gitleaks::read(text, &mut warnings);
        }
        (config, warnings)
    }

    fn allows(&self, subject: &Subject<'_>) -> bool {
        self.allowed.iter().any(|allowed| allowed.covers(subject)) || self.gitleaks.allows(subject)
    }
}

fn bounded<'t>(text: Option<&'t str>, file: &str, warnings: &mut Vec<String>) -> Option<&'t str> {
    let text = text?;
    if text.len() > MAX_BYTES {
        warnings.push(format!("{file}: has {} bytes and is not read; at most {MAX_BYTES}", text.len()));
        return None;
    }
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

impl Redactor {
    /// Every secret in the text of a file, or of a part of it, in order, but for what `config` allows;
    /// and what its own rules find. `path` is relative to the repository, with `/`.
    ///
    /// A registered value is reported whatever `config` says. A comment in the text that asks a scanner to
    /// look away is not heeded: whoever wrote the secret could have written it.
    pub fn scan_file(&self, path: &str, text: &str, config: &ScanConfig) -> Vec<Finding> {
        let mut findings = self.scan(text);
        findings.retain(|finding| {
            finding.kind == super::redactor::REGISTERED
                || !config.gitleaks.switches_off(&finding.kind)
                    && !config.allows(&Subject::new(path, text, finding))
        });
        for found in config.gitleaks.find(path, text) {
            let range = found.secret.clone();
            let known =
                findings.iter().any(|other| range.start < other.range.end && other.range.start < range.end);
            let line = 1 + text[..range.start].matches('\n').count();
            let finding = Finding { kind: Cow::Owned(found.rule.id.clone()), line, range };
            let subject = Subject { whole: Some(found.whole), ..Subject::new(path, text, &finding) };
            if !known && !found.rule.allows(&subject) && !config.allows(&subject) {
                findings.push(finding);
            }
        }
        findings.sort_by_key(|finding| finding.range.start);
        findings
    }
}
