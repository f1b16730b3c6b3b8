//! What the redactor promises about whole texts and streams.

use proptest::prelude::*;

use super::redactor::Redactor;
use super::scan::Limits;

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const KEY_BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";

fn with(values: &[&str]) -> Redactor {
    Redactor::with_values(values.iter().map(|value| (*value).to_owned()))
}

fn stream(redactor: &Redactor, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut stream, mut out) = (redactor.stream(), Vec::new());
    for chunk in chunks {
        stream.push(chunk, &mut out);
    }
    stream.finish(&mut out);
    out
}

#[test]
fn registered_values_are_replaced_exactly() {
    let redactor =
        with(&["s3cr3t", "s3cr3t-longer", "abc", "tail-end", "cret-tail", "line \"one\"!\nsecond line"]);
    let cases = [
        ("a s3cr3t b", "a [REDACTED:registered] b"),
        ("s3cr3t-longer.", "[REDACTED:registered]."),
        ("abc stays: too short", "abc stays: too short"),
        ("overlap cret-tail-end.", "overlap [REDACTED:registered]."),
        (r#"{"x":"line \"one\"!\nsecond line"}"#, r#"{"x":"[REDACTED:registered]"}"#),
        ("> line \"one\"!\n> second line\n", "> [REDACTED:registered]\n> [REDACTED:registered]\n"),
        ("postgres://s3cr3t:S3cret99@h/x", "postgres://[REDACTED:registered]:[REDACTED:url-password]@h/x"),
    ];
    for (text, wanted) in cases {
        assert_eq!(redactor.redact(text), wanted, "{text}");
    }
    assert!(matches!(redactor.redact("nothing here"), std::borrow::Cow::Borrowed(_)));
    assert!(!format!("{redactor:?}").contains("s3cr3t"));
}

#[test]
fn findings_name_their_lines() {
    let text = format!(
        "one\n{TOKEN} {TOKEN}\n\n-----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY-----\n{TOKEN}"
    );
    let found = Redactor::new().scan(&text);
    let found: Vec<(&str, usize)> = found.iter().map(|found| (&*found.kind, found.line)).collect();
    assert_eq!(found, [("github-token", 2), ("github-token", 2), ("private-key", 4), ("github-token", 7)]);
}

#[test]
fn a_secret_cut_anywhere_is_found() {
    let text = format!(
        "a\n{TOKEN}\nb -----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY----- c\nregistered1 z"
    );
    let redactor = with(&["registered1"]);
    let wanted = "a\n[REDACTED:github-token]\nb [REDACTED:private-key] c\n[REDACTED:registered] z";
    for cut in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        assert_eq!(String::from_utf8_lossy(&stream(&redactor, &[head, tail])), wanted, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(String::from_utf8_lossy(&stream(&redactor, &bytes)), wanted);
}

#[test]
fn a_secret_anywhere_in_a_line_without_end_is_found() {
    let redactor = with(&["registered1"]);
    for secret in [TOKEN, "registered1"] {
        // Around the first window's cut and end, and the second's.
        for place in [49_152, 65_536, 98_304, 114_688] {
            for offset in [0, 1, 5, secret.len() - 1, secret.len(), secret.len() + 1] {
                let text = format!("{}{secret}{}", ".".repeat(place - offset), ".".repeat(60_000));
                let out = stream(&redactor, &[text.as_bytes()]);
                assert!(!String::from_utf8_lossy(&out).contains(secret), "{secret} at {place} - {offset}");
                assert!(out.len() > text.len() - secret.len(), "the rest is kept");
            }
        }
    }
}

#[test]
fn a_token_longer_than_every_limit_leaves_nothing_readable() {
    let text = format!("x eyJ{}.eyJ{}.{} y\n", "a".repeat(200), "b".repeat(20_000), "c".repeat(200));
    assert!(Redactor::new().redact(&text) == "x [REDACTED:jwt] y\n");
}

#[test]
fn what_is_not_text_passes_through() {
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(300_000).collect();
    assert_eq!(stream(&Redactor::new(), &[&bytes]), bytes);
    let chunks: Vec<&[u8]> = bytes.chunks(7).collect();
    assert_eq!(stream(&Redactor::new(), &chunks), bytes);
}

#[test]
fn output_lags_by_no_more_than_one_line_or_window() {
    let (mut stream, mut out) = (Redactor::new().stream(), Vec::new());
    stream.push(b"whole line\nhalf", &mut out);
    assert_eq!(out, b"whole line\n");
    for _ in 0..100 {
        stream.push(&[b'x'; 10_000], &mut out);
    }
    assert!(out.len() > 1_000_000 - 65_536, "{}", out.len());
    stream.finish(&mut out);
    assert_eq!(out.len(), 1_000_015);
}

/// Parts of texts that touch each other in every way.
fn part() -> impl Strategy<Value = String> {
    let fixed = [
        TOKEN,
        "AKIAIOSFODNN7EXAMPLE",
        "password=",
        "Zx81qP0vL4mN7tRb",
        "\"",
        "\n",
        "\r\n",
        "\\n",
        " ",
        "-----",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----END",
        KEY_BODY,
        "Bearer ",
        "é",
        "postgres://user:",
        "@host",
        "registered1",
        "registered1-and-more",
        "tered1-an",
        "token: ",
        "日本",
    ];
    prop_oneof![
        8 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        2 => "[ -~]{0,40}",
        1 => "[a-z0-9]{100,400}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_split_gives_the_same_as_one_piece(
        parts in proptest::collection::vec(part(), 0..30),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        small in any::<bool>(),
    ) {
        let values = ["registered1", "registered1-and-more", "tered1-an"].into_iter().map(str::to_owned);
        let limits = if small { Limits { window: 256, longest: 120 } } else { super::scan::LIMITS };
        let redactor = Redactor::with_limits(values, limits);
        let text = parts.concat();
        let whole = redactor.redact(&text).into_owned();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        let streamed = stream(&redactor, &chunks);
        prop_assert_eq!(String::from_utf8_lossy(&streamed), whole.as_str());
        prop_assert!(!whole.contains("registered1") && !whole.contains(TOKEN));
        prop_assert_eq!(redactor.scan(&text).len(), whole.matches("[REDACTED:").count());
    }
}

#[test]
fn a_text_is_cut_after_whole_characters_and_through_no_secret() {
    let (redactor, most) = (Redactor::new(), 1000);
    let longest = "x".repeat(most);
    assert_eq!(redactor.clean_bounded(&longest, most), longest);
    assert_eq!(redactor.clean_bounded(&format!("{longest}y"), most), format!("{longest}[…]"));
    // The last character that has no room begins one byte before the end.
    let cut = redactor.clean_bounded(&format!("x{}", "ü".repeat(most)), most);
    assert_eq!(cut.len(), most - 1 + "[…]".len());
    assert!(cut.starts_with("xü") && cut.ends_with("ü[…]"));
    let token = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");
    let cut = redactor.clean_bounded(&format!("{} {token}", "x".repeat(most - 10)), most);
    assert!(cut.ends_with("[…]") && !cut.contains("ghp"), "{cut}");
}

#[test]
fn a_list_of_paths_has_a_limit_in_bytes_and_in_entries() {
    let redactor = Redactor::new();
    let cases = [
        (vec!["p".repeat(4000); 300], 24_000, 7, "[… and 294 more]"),
        (vec!["p".to_owned(); 300], 24_000, 201, "[… and 100 more]"),
        (vec!["p".repeat(4000); 2], 3_999, 1, "[… and 2 more]"),
        (vec!["p".to_owned(); 2], 2, 2, "p"),
    ];
    for (list, most, entries, last) in cases {
        let clean = redactor.clean_list(&list, most);
        assert_eq!((clean.len(), clean.last().map(String::as_str)), (entries, Some(last)));
    }
}
