//! Which paths a task's `files` cover.

/// Whether an entry of `files` covers a path: it is that path, a directory above it, or a glob that matches
/// either. `*` and `?` stay within one part of a path, `**` reaches over any number of parts; `.` is everything.
pub fn covers(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    if matches!(pattern, "." | "") {
        return true;
    }
    let parts: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    // A directory covers all below it: any number of first parts of the path may be what matches.
    (1..=path.len()).any(|end| matches(&parts, &path[..end]))
}

/// Whether the parts of a pattern match those of a path, all of them. Costs at most their product.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    run(pattern, path, |part| *part == "**", |part, name| part_matches(part, name))
}

fn part_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    run(&pattern, &name, |c| *c == '*', |p, c| *p == '?' || p == c)
}

/// Matches a list with wildcards for any number of items: the newest wildcard takes one more whenever what
/// follows it does not fit.
fn run<P, T>(pattern: &[P], items: &[T], is_any: impl Fn(&P) -> bool, fits: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut item, mut any) = (0, 0, None);
    while item < items.len() {
        if at < pattern.len() && is_any(&pattern[at]) {
            any = Some((at, item));
            at += 1;
        } else if at < pattern.len() && fits(&pattern[at], &items[item]) {
            (at, item) = (at + 1, item + 1);
        } else if let Some((wildcard, from)) = any {
            any = Some((wildcard, from + 1));
            (at, item) = (wildcard + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_directories_and_globs_cover_what_they_should() {
        let cases = [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "src/a.rst", false),
            ("src", "src/deep/a.rs", true),
            ("src", "srcs/a.rs", false),
            ("src/", "src/a.rs", true),
            (".", "anything/at all", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "README.md", true),
            ("**/*.md", "docs/deep/README.md", true),
            ("docs/*", "docs/a", true),
            ("docs/*", "docs/a/b", true),
            ("docs/*.md", "docs/a/b.md", false),
            ("src/**/test?.rs", "src/x/y/test1.rs", true),
            ("src/**/test?.rs", "src/test12.rs", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcYb", false),
            ("packages/*/src", "packages/one/src/a", true),
            ("packages/*/src", "packages/one/test/a", false),
            ("ü*", "üb", true),
        ];
        for (pattern, path, wanted) in cases {
            assert_eq!(covers(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_a_product() {
        let pattern = "*a".repeat(50);
        let path = "a".repeat(10_000);
        assert!(covers(&pattern, &path));
        assert!(!covers(&format!("{pattern}b"), &path));
    }
}
