//! Rules for texts: ids, paths, branch names and so on.

use super::problem::Shown;

/// Which texts a field takes. Every text is refused when it holds the character NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Any text, also an empty one.
    Any,
    /// Any text that is not empty.
    Filled,
    /// 1 to 200 characters, no control characters.
    Name,
    /// A branch name by git's own rules.
    Branch,
    /// A path of a partition, relative to the repository, globs allowed.
    Partition,
    /// A path relative to the repository that stays inside it.
    Inside,
    /// The name of an environment variable.
    EnvName,
    /// The name of an adapter in `adapters`.
    AdapterName,
    /// A placeholder's name: no white space, dots or braces.
    Placeholder,
    /// A JSON pointer (RFC 6901).
    Pointer,
    /// A JSON pointer, `=` and a value.
    Terminal,
    /// A cron schedule of five fields.
    Cron,
    /// A URL of this machine.
    Loopback,
    /// A check of the guard; others are only warned about.
    GuardCheck,
}

/// What a rule says of a text.
pub(super) enum Verdict {
    Good,
    Odd(String),
    Bad(String),
}

/// The checks that the guard knows.
const GUARD_CHECKS: [&str; 3] = ["observability", "cleanup", "cost-report"];

impl Rule {
    /// What the rule says of a text.
    pub(super) fn judge(self, text: &str) -> Verdict {
        let bad = |why: &str| Verdict::Bad(format!("{why}, found {}", Shown(text)));
        if text.contains('\0') {
            return bad("must not hold the character NUL");
        }
        if self != Self::Any && text.is_empty() {
            return Verdict::Bad("must not be empty".to_owned());
        }
        let broken = match self {
            Self::Any | Self::Filled => None,
            Self::Name => name(text),
            Self::Branch => branch(text),
            Self::Partition => partition(text),
            Self::Inside => inside(text),
            Self::EnvName => env_name(text),
            Self::AdapterName => adapter_name(text),
            Self::Placeholder => {
                let bad = |c: char| c.is_whitespace() || c.is_control() || ".{}".contains(c);
                text.contains(bad).then_some("must have no white space, dots or braces")
            }
            Self::Pointer => pointer(text),
            Self::Terminal => match text.split_once('=') {
                Some((at, _)) if !at.is_empty() => pointer(at),
                _ => Some("must be a JSON pointer, `=` and a value, such as `/type=result`"),
            },
            Self::Cron => super::cron::broken(text),
            Self::Loopback => loopback(text),
            Self::GuardCheck if !GUARD_CHECKS.contains(&text) => {
                let known = GUARD_CHECKS.join("`, `");
                let message = format!("{} is no check of the guard; there are `{known}`", Shown(text));
                return Verdict::Odd(message);
            }
            Self::GuardCheck => None,
        };
        broken.map_or(Verdict::Good, bad)
    }

    /// What the rule asks for, for the reference page; empty for any text.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Any | Self::Filled => "text",
            Self::Name => "name (1 to 200 characters)",
            Self::Branch => "branch name",
            Self::Partition => "path or glob in the repository",
            Self::Inside => "path in the repository",
            Self::EnvName => "environment variable",
            Self::AdapterName => "adapter name",
            Self::Placeholder => "name without dots",
            Self::Pointer => "JSON pointer",
            Self::Terminal => "JSON pointer `=` value",
            Self::Cron => "cron schedule of five fields",
            Self::Loopback => "loopback URL",
            Self::GuardCheck => "`observability`, `cleanup`, `cost-report`",
        }
    }
}

fn name(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        Some("must have no control characters")
    } else {
        (text.chars().count() > 200).then_some("must have at most 200 characters")
    }
}

/// The rules of `git check-ref-format --branch`.
fn branch(text: &str) -> Option<&'static str> {
    let bad_char = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    if text.contains(bad_char) {
        Some("must be a branch name: no spaces, control characters, `~^:?*[` or backslashes")
    } else if text.starts_with('-') || text == "@" || text == "HEAD" || text.contains("@{") {
        Some("must be a branch name: not `HEAD` or `@`, no `@{`, no leading dash")
    } else if text.contains("..") || text.ends_with('.') {
        Some("must be a branch name: no `..`, no dot at the end")
    } else if text.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.ends_with(".lock"))
    {
        Some(
            "must be a branch name: no part between slashes is empty, starts with a dot or ends with `.lock`",
        )
    } else {
        None
    }
}

fn partition(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        return Some("must have no control characters");
    }
    let up = text.split(['/', '\\']).any(|part| part == "..");
    up.then_some("must stay inside the repository: no `..`")
}

fn inside(text: &str) -> Option<&'static str> {
    let normal = normalise(text);
    let first = normal.split('/').next().unwrap_or_default();
    if text.starts_with(['/', '~']) || text.as_bytes().get(1) == Some(&b':') {
        Some("must be relative to the repository")
    } else if normal.is_empty() {
        Some("must name something in the repository")
    } else if first.eq_ignore_ascii_case(".git") {
        Some("must not be git's own folder")
    } else {
        partition(text)
    }
}

/// One form for `/src`, `./src`, `src\a`, `src/` and `src//a`: parts joined by single slashes, empty
/// for the repository itself.
pub(crate) fn normalise(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for part in path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".") {
        if !normal.is_empty() {
            normal.push('/');
        }
        normal.push_str(part);
    }
    normal
}

fn env_name(text: &str) -> Option<&'static str> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Some("must be the name of an environment variable: letters, digits and `_`")
    } else {
        (text == "CONVOY_ATTEMPT").then_some("is set by the engine and cannot be changed")
    }
}

fn adapter_name(text: &str) -> Option<&'static str> {
    match text {
        "auto" => Some("must not be `auto`, which means detection"),
        "claude-code" => Some("must not be `claude-code`, which is another name of `claude`"),
        _ => name(text),
    }
}

fn pointer(text: &str) -> Option<&'static str> {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    (!text.starts_with('/') || !escapes).then_some("must be a JSON pointer such as `/result`")
}

fn loopback(text: &str) -> Option<&'static str> {
    const WANTED: Option<&str> =
        Some("must be an http or https URL of this machine (localhost, 127.0.0.1, [::1])");
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return WANTED;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A user part could hide the real host from a reader; it has no use here.
    if authority.contains(['@', '\\']) {
        return WANTED;
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let port_fits = port.is_empty() || port.parse::<u16>().is_ok();
    if local && port_fits { None } else { WANTED }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bad(rule: Rule, text: &str) -> bool {
        matches!(rule.judge(text), Verdict::Bad(_))
    }

    #[test]
    fn every_rule_takes_the_good_and_refuses_the_bad() {
        let cases: [(Rule, &[&str], &[&str]); 12] = [
            (Rule::Any, &["", "x"], &["a\0b"]),
            (Rule::Filled, &[" "], &[""]),
            (Rule::Name, &["../..", "a b", "日本"], &["", "a\nb", "\u{7f}"]),
            (
                Rule::Branch,
                &["main", "feat/a-b", "a@b", "ä"],
                &[
                    "", "a b", "a..b", "/a", "a/", "a//b", ".a", "a.lock", "a.", "-a", "@", "HEAD", "a@{b",
                    "a\\b", "a:b", "a/.b", "a.lock/b",
                ],
            ),
            (
                Rule::Partition,
                &["/src", "./src", "src\\a", "src/", "[slug]", "a..b", "**/*.rs", "."],
                &["", "../a", "a/../b", "a\\..", "a\nb"],
            ),
            (
                Rule::Inside,
                &[".env", "a/b"],
                &["", "/etc", "~/x", "..", "a/..", ".", ".git/config", "C:\\x", "./.GIT"],
            ),
            (Rule::EnvName, &["A", "_b1"], &["", "1A", "A-B", "A=B", "CONVOY_ATTEMPT"]),
            (Rule::AdapterName, &["mine", "claude"], &["", "auto", "claude-code", "a\tb"]),
            (Rule::Pointer, &["/a", "/a~1b/0"], &["", "a", "/a~2", "/a~"]),
            (Rule::Terminal, &["/type=result", "/a=", "/a=b=c"], &["", "/type", "=x", "type=result"]),
            (
                Rule::Loopback,
                &["http://localhost:3000/a?b", "https://127.0.0.1", "http://[::1]:80/", "http://LOCALHOST"],
                &[
                    "",
                    "localhost",
                    "http://example.com",
                    "http://127.0.0.1.evil.com",
                    "http://localhost@evil.com",
                    "http://evil.com#@localhost",
                    "http://localhost\\@evil.com",
                    "ftp://localhost",
                    "http://localhost:99999",
                ],
            ),
            (Rule::Placeholder, &["plan", "a-b"], &["", "a.b", "a b", "a}"]),
        ];
        for (rule, good, bad) in cases {
            for text in good {
                assert!(!is_bad(rule, text), "{rule:?} {text:?}");
            }
            for text in bad {
                assert!(is_bad(rule, text), "{rule:?} {text:?}");
            }
        }
        assert!(is_bad(Rule::Name, &"x".repeat(201)));
        assert!(matches!(Rule::GuardCheck.judge("coffee"), Verdict::Odd(_)));
    }

    #[test]
    fn paths_have_one_form() {
        for path in ["/src/a", "./src/a", "src\\a", "src/a/", "src//a", "src/./a"] {
            assert_eq!(normalise(path), "src/a", "{path}");
        }
        assert_eq!(normalise("./"), "");
    }
}
