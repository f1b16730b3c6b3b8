//! Signing commits.
//!
//! Landings and merges into a branch of people are signed where `commit.gpgSign` says so. git does it, with the program
//! and the key that were configured when the repository was opened: what an agent writes into the configuration later
//! is overridden, so that it can neither name a program that is run then nor switch signing off.

use super::call::{Answer, Call};
use super::error::GitError;

/// How commits are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signing {
    /// The settings that every call which signs gets, as `key=value`.
    settings: Vec<String>,
}

/// What is configured by nobody. The command would be run to find a key.
const DEFAULTS: [(&str, &str); 5] = [
    ("gpg.format", "openpgp"),
    ("gpg.program", "gpg"),
    ("gpg.x509.program", "gpgsm"),
    ("gpg.ssh.program", "ssh-keygen"),
    ("gpg.ssh.defaultkeycommand", "false"),
];

impl Signing {
    /// What is configured, the value that counts last; `None` when nothing is to be signed.
    pub(super) fn of(configured: &[(String, String)]) -> Option<Self> {
        // Two names of one setting.
        let name =
            |key: &str| if key == "gpg.openpgp.program" { "gpg.program".to_owned() } else { key.to_owned() };
        let find =
            |key: &str| configured.iter().rfind(|(other, _)| name(other) == key).map(|(_, value)| value);
        if !find("commit.gpgsign").is_some_and(|value| is_on(value)) {
            return None;
        }
        let mut settings: Vec<String> = DEFAULTS
            .iter()
            .map(|(key, default)| format!("{key}={}", find(key).map_or(*default, String::as_str)))
            .collect();
        let others = configured.iter().map(|(key, _)| key.as_str());
        let others = others.filter(|key| {
            let known = DEFAULTS.iter().any(|(default, _)| name(key) == *default);
            !known && (key.starts_with("gpg.") || *key == "user.signingkey")
        });
        settings.extend(others.filter_map(|key| Some(format!("{key}={}", find(key)?))));
        settings.dedup();
        Some(Self { settings })
    }

    /// The settings for a call that signs. Nothing in it waits for a person.
    pub(super) fn configure(&self, call: Call) -> Call {
        let call = self.settings.iter().fold(call, |call, setting| call.global("-c").global(setting));
        call.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force")
    }
}

fn is_on(value: &str) -> bool {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" => true,
        number => number.parse::<i64>().is_ok_and(|number| number != 0),
    }
}

/// What a call says whose signature failed.
pub(super) fn not_signed(answer: &Answer) -> GitError {
    let said: Vec<&str> = answer.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let detail = said.join("; ");
    let keep = detail.char_indices().rev().nth(999).map_or(0, |(at, _)| at);
    let detail = if detail.is_empty() { "it said nothing".to_owned() } else { detail[keep..].to_owned() };
    GitError::NotSigned { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(configured: &[(&str, &str)]) -> Option<Vec<String>> {
        let configured: Vec<_> =
            configured.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Signing::of(&configured).map(|signing| signing.settings)
    }

    #[test]
    fn nothing_is_signed_unless_that_was_asked_for_last() {
        for off in [
            &[][..],
            &[("commit.gpgsign", "false")],
            &[("commit.gpgsign", "true"), ("commit.gpgsign", "off")],
            &[("user.signingkey", "x"), ("gpg.program", "p")],
        ] {
            assert_eq!(of(off), None, "{off:?}");
        }
        for on in ["true", "YES", "on", "1"] {
            assert!(of(&[("commit.gpgsign", on)]).is_some(), "{on}");
        }
    }

    #[test]
    fn every_program_that_could_be_run_is_named_by_what_was_there_first() {
        let found = of(&[
            ("commit.gpgsign", "true"),
            ("gpg.openpgp.program", "/one"),
            ("gpg.program", "/two"),
            ("gpg.ssh.allowedsignersfile", "/three"),
            ("user.signingkey", "key"),
        ]);
        let wanted = [
            "gpg.format=openpgp",
            "gpg.program=/two",
            "gpg.x509.program=gpgsm",
            "gpg.ssh.program=ssh-keygen",
            "gpg.ssh.defaultkeycommand=false",
            "gpg.ssh.allowedsignersfile=/three",
            "user.signingkey=key",
        ];
        assert_eq!(found.expect("signs"), wanted);
    }
}
