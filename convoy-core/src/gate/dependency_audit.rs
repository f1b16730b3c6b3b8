//! `dependency_audit`: known holes in what the project depends on.

use super::manifest::{AsBefore, Manifests};

/// Files that tell an auditor what to overlook, or where to ask.
pub(super) const CONFIGURATION: &[&str] =
    &[".npmrc", ".cargo/audit.toml", ".cargo/config.toml", ".cargo/config"];

/// One audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The command.
    pub command: &'static str,
    /// The programs that it needs.
    pub programs: &'static [&'static str],
}

/// Which audits there are for the work, and why there is none where one could be expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audits {
    /// To be run, one after the other.
    pub audits: Vec<Audit>,
    /// Why something is not audited.
    pub gaps: Vec<&'static str>,
    /// What decides about them, as it was before the work.
    pub as_before: Vec<AsBefore>,
}

/// Chooses the audits by the manifests of the work; what they overlook is said by those of before it.
pub fn dependency_audit(base: &Manifests, work: &Manifests) -> Audits {
    let mut found = Audits { as_before: base.as_before(work, CONFIGURATION), ..Audits::default() };
    if work.has("package-lock.json") || work.has("npm-shrinkwrap.json") {
        found.audits.push(Audit { command: "npm audit", programs: &["npm"] });
    } else if work.has("package.json") {
        found.gaps.push("package.json has no lock file, which `npm audit` needs");
    }
    if work.has("Cargo.lock") {
        found.audits.push(Audit { command: "cargo audit", programs: &["cargo", "cargo-audit"] });
    } else if work.has("Cargo.toml") {
        found.gaps.push("Cargo.toml has no Cargo.lock, which `cargo audit` needs");
    }
    if work.has("requirements.txt") {
        found.audits.push(Audit { command: "pip-audit -r requirements.txt", programs: &["pip-audit"] });
    } else if work.text("pyproject.toml").is_some_and(|text| text.lines().any(|l| l.trim() == "[project]")) {
        found.audits.push(Audit { command: "pip-audit .", programs: &["pip-audit"] });
    }
    if found.audits.is_empty() && found.gaps.is_empty() {
        found.gaps.push("the repository has no manifest of npm, cargo or pip at its root");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_gets_its_audit_and_gaps_are_told() {
        let commands = |files: &[(&'static str, &str)]| {
            let found = dependency_audit(&Manifests::default(), &Manifests::of(files));
            let commands: Vec<_> = found.audits.iter().map(|audit| audit.command).collect();
            (commands.join("; "), found.gaps.len())
        };
        let npm = ("package.json", "{}");
        let all = [npm, ("package-lock.json", "{}"), ("Cargo.lock", ""), ("requirements.txt", "")];
        assert_eq!(commands(&all).0, "npm audit; cargo audit; pip-audit -r requirements.txt");
        assert_eq!(commands(&[("pyproject.toml", "[project]\nname = 'x'")]).0, "pip-audit .");
        assert_eq!(commands(&[("pyproject.toml", "[tool.black]")]), (String::new(), 1));
        assert_eq!(commands(&[npm, ("Cargo.toml", "")]), (String::new(), 2));
        assert_eq!(commands(&[]), (String::new(), 1));
    }

    #[test]
    fn what_is_overlooked_is_what_was_before_the_work() {
        let base = Manifests::of(&[(".npmrc", "a"), ("Cargo.lock", "")]);
        let work =
            Manifests::of(&[(".npmrc", "audit=false"), ("Cargo.lock", "x"), (".cargo/audit.toml", "y")]);
        let found = dependency_audit(&base, &work);
        assert_eq!(found.as_before, [(".npmrc", Some(b"a".to_vec())), (".cargo/audit.toml", None)]);
    }
}
