//! What the two files do to a scan.

use super::*;

/// In parts, so that no scanner takes this file for a leak.
fn token() -> String {
    ["ghp_", "0123456789abcdefghijABCDEFGHIJ012345"].concat()
}

fn config(allow: &str, gitleaks: &str) -> ScanConfig {
    let (config, warnings) = ScanConfig::from_texts(Some(allow), Some(gitleaks));
    assert_eq!(warnings, [""; 0]);
    config
}

fn kinds(config: &ScanConfig, path: &str, text: &str) -> Vec<String> {
    let redactor = Redactor::with_values(["registered1".to_owned()].into_iter());
    redactor.scan_file(path, text, config).into_iter().map(|finding| finding.kind.into_owned()).collect()
}

#[test]
fn findings_have_the_line_and_the_place() {
    let text = format!("é one\r\nx {} y\n", token());
    let found = Redactor::new().scan_file("a", &text, &ScanConfig::default());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, &text[found[0].range.clone()]), (2, token().as_str()));
}

#[test]
fn the_allow_file_allows_what_overlaps_the_secret() {
    let token = token();
    let line = format!("key = {token} # fixture");
    let other = token.replace('5', "6");
    let cases = [
        (format!("literal: {token}"), "a.rs", true),
        (format!("literal: {}", token.to_uppercase()), "a.rs", true),
        (format!("literal: 'key = {token}'"), "a.rs", true),
        (format!("literal: {other}"), "a.rs", false),
        ("literal: fixture".to_owned(), "a.rs", false),
        ("pattern: 'GHP_[0-9a-z]+'".to_owned(), "a.rs", true),
        ("pattern: '^ghp'".to_owned(), "a.rs", false),
        ("pattern: 'KEY = .*fixture'".to_owned(), "a.rs", true),
        ("pattern: ghp_\n    paths: [tests/, docs/]".to_owned(), "x/tests/a.rs", true),
        ("pattern: ghp_\n    paths: [tests/, docs/]".to_owned(), "src/a.rs", false),
        ("pattern: ghp_\n    paths: []\n    reason: because".to_owned(), "src/a.rs", true),
    ];
    for (entry, path, allowed) in cases {
        let config = config(&format!("allowlist:\n  - {entry}\n"), "");
        assert_eq!(kinds(&config, path, &line).is_empty(), allowed, "{entry}");
        assert_eq!(kinds(&config, path, "registered1"), ["registered"], "{entry}");
    }
    for empty in ["", "# nothing\n", "allowlist:\n", "allowlist: []"] {
        assert_eq!(kinds(&config(empty, ""), "a", &line), ["github-token"], "{empty}");
    }
    assert_eq!(
        kinds(&config("allowlist: [{pattern: '.+'}]", "title = 'x'"), "a", "registered1"),
        ["registered"]
    );
}

#[test]
fn a_comment_in_the_text_allows_nothing() {
    let text = format!("{} // gitleaks:allow", token());
    assert_eq!(kinds(&ScanConfig::default(), "a", &text), ["github-token"]);
}

#[test]
fn the_other_scanners_lists_are_heeded() {
    let line = format!("key = {} # fixture", token());
    let cases = [
        ("[allowlist]\npaths = ['^tests/']", "tests/a", true),
        ("[allowlist]\npaths = ['^tests/']", "src/tests/a", false),
        ("[[allowlists]]\nregexes = ['^ghp_0123']", "a", true),
        ("[[allowlists]]\nregexes = ['fixture']", "a", false),
        ("[[allowlists]]\nregexTarget = 'line'\nregexes = ['fixture']", "a", true),
        ("[[allowlists]]\nregexTarget = 'match'\nregexes = ['key = ghp']", "a", true),
        ("[[allowlists]]\nstopwords = ['ABCDEFGHIJ']", "a", true),
        ("[[allowlists]]\nstopwords = ['fixture']", "a", false),
        ("[[allowlists]]\ncondition = 'AND'\npaths = ['a']\nregexes = ['nothing']", "a", false),
        ("[[allowlists]]\ncondition = 'AND'\npaths = ['a']\nregexes = ['ghp_']", "a", true),
        ("[[allowlists]]\ncondition = 'AND'\npaths = ['a']\ncommits = ['1234']", "a", false),
        ("[[allowlists]]\ntargetRules = ['github-pat']\npaths = ['a']", "a", true),
        ("[[allowlists]]\ntargetRules = ['stripe-access-token']\npaths = ['a']", "a", false),
        ("[extend]\nuseDefault = true\ndisabledRules = ['github-pat', 'a-rule-of-theirs']", "a", true),
        ("[extend]\nuseDefault = true", "a", false),
        ("[[rules]]\nid = 'github-pat'\n[[rules.allowlists]]\npaths = ['a']", "a", true),
        ("[[rules]]\nid = 'github-pat'\n[rules.allowlist]\npaths = ['b']", "a", false),
    ];
    for (text, path, allowed) in cases {
        assert_eq!(kinds(&config("", text), path, &line).is_empty(), allowed, "{text}");
        assert_eq!(kinds(&config("", text), path, "registered1"), ["registered"], "{text}");
    }
}

#[test]
fn the_other_scanners_rules_find_what_they_describe() {
    let cases = [
        ("regex = 'corp_[a-z0-9]{8}'", "a", "x corp_abcd1234 y", Some("corp_abcd1234")),
        ("regex = 'corp_([a-z0-9]{8})'", "a", "x corp_abcd1234 y", Some("abcd1234")),
        ("regex = '(corp)_([a-z0-9]{8})'\nsecretGroup = 2", "a", "x corp_abcd1234 y", Some("abcd1234")),
        ("regex = 'corp_[a-z0-9]{8}'\nentropy = 3.0", "a", "x corp_aaaaaaaa y", None),
        ("regex = 'corp_[a-z0-9]{8}'\nentropy = 3.0", "a", "x corp_a1b2c3d4 y", Some("corp_a1b2c3d4")),
        ("regex = 'corp_[a-z0-9]{8}'\nkeywords = ['Acme']", "a", "x corp_abcd1234 y", None),
        ("regex = 'corp_[a-z0-9]{8}'\nkeywords = ['Acme']", "a", "ACME corp_abcd1234", Some("corp_abcd1234")),
        ("regex = 'corp_[a-z0-9]{8}'\npath = '\\.env$'", "a.rs", "x corp_abcd1234 y", None),
        ("regex = 'corp_[a-z0-9]{8}'\npath = '\\.env$'", "b/.env", "corp_abcd1234", Some("corp_abcd1234")),
        ("path = '\\.p12$'", "keys/a.p12", "x", Some("")),
        ("path = '\\.p12$'", "keys/a.rs", "x", None),
        ("regex = 'corp_\\w{8}'\n[[rules.allowlists]]\nstopwords = ['abcd']", "a", "corp_abcd1234", None),
        ("regex = '(?s)begin.*end'", "a", "begin é\nx end", Some("begin é\nx end")),
    ];
    for (rule, path, text, wanted) in cases {
        let config = config("", &format!("[[rules]]\nid = 'corp'\n{rule}\n"));
        let found = Redactor::new().scan_file(path, text, &config);
        let found: Vec<(&str, &str)> =
            found.iter().map(|finding| (&*finding.kind, &text[finding.range.clone()])).collect();
        assert_eq!(found, wanted.map(|secret| ("corp", secret)).into_iter().collect::<Vec<_>>(), "{rule}");
    }
    let again = "[[rules]]\nid = 'corp'\nregex = 'ghp_\\w+'";
    assert_eq!(kinds(&config("", again), "a", &token()), ["github-token"], "a place is reported once");
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_holds() {
    let cases = [
        ("a: [", "", "secret-scan-config.yml: is not read"),
        ("- a", "", "must be a mapping"),
        ("allowlist: 3", "", "`allowlist` must be a list"),
        ("deny: []", "", "`deny` is not known"),
        ("allowlist: [{reason: x}]", "", "allowlist[0] is left out: it needs `literal` or `pattern`"),
        ("allowlist: [{literal: a, pattern: b}]", "", "has both"),
        ("allowlist: [{literal: ''}]", "", "would allow everything"),
        ("allowlist: [{pattern: '('}]", "", "unclosed group"),
        ("allowlist: [{literal: a, path: b}]", "", "unknown field `path`"),
        ("allowlist: [7]", "", "allowlist[0] is left out"),
        ("", "rules = 3", ".gitleaks.toml: `rules` must be a list"),
        ("", "[[rules]", ".gitleaks.toml: is not read"),
        (
            "",
            "[[rules]]\nid = 'x'\nregex = '(?=a)'",
            "rules[0] is left out: rule x: its expression cannot be used",
        ),
        ("", "[[rules]]\nregex = 'a'", "missing field `id`"),
        ("", "[[rules]]\nid = 'x'", "neither `regex` nor `path`"),
        ("", "[[rules]]\nid = 'x'\nregex = 'a'\nsecretGroup = 2", "no group 2"),
        (
            "",
            "[[rules]]\nid = 'x'\nregex = 'zzz'\n[[rules.required]]\nid = 'y'",
            "`required` is not supported",
        ),
        ("", "[extend]\npath = 'other.toml'", "`extend.path` is not followed"),
        ("", "[extend]\ndisabledRules = 'x'", "must be a list of rule ids"),
        ("", "[allowlist]\nregexes = ['(?!a)']", "look-around"),
        ("", "[allowlist]\nregexes = 3", "allowlist is left out"),
        (
            "",
            "[[allowlists]]\nregexTarget = 'all'\nregexes = ['g']",
            "allowlists[0] is left out: `regexTarget`",
        ),
        ("", "[[allowlists]]\ncondition = 'XOR'\nregexes = ['g']", "`condition` is AND or OR"),
        ("", "[[allowlists]]\ncondition = 'AND'\npaths = ['a', '(']\nregexes = ['g']", "unclosed group"),
    ];
    for (allow, gitleaks, wanted) in cases {
        let (config, warnings) = ScanConfig::from_texts(Some(allow), Some(gitleaks));
        assert!(warnings[0].contains(wanted), "{allow}{gitleaks}: {warnings:?}");
        assert_eq!(kinds(&config, "a", &token()), ["github-token"], "{allow}{gitleaks}");
    }
    let long = "#".repeat(MAX_BYTES + 1);
    let (_, warnings) = ScanConfig::from_texts(Some(&long), Some(&long));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let mixed = format!("allowlist: [{{pattern: '('}}, {{literal: {}}}]", token());
    let (config, warnings) = ScanConfig::from_texts(Some(&mixed), None);
    assert_eq!((warnings.len(), kinds(&config, "a", &token()).len()), (1, 0));
}
