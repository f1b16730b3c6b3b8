//! The formats of secrets, and what tells a real one from an example.
//!
//! Searching goes in two steps, because one pass of a plain literal search costs a tiny part of what
//! forty regular expressions do: first every place where some literal stands, then the expressions
//! that start with it, each tied to that place.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// One format.
struct Format {
    /// What stands in the marker.
    kind: &'static str,
    /// Every match starts with one of these; longer before shorter where one starts with another.
    starts: &'static [&'static str],
    /// The expression after the start; group 1, where there is one, is the secret part.
    rest: &'static str,
    /// Whether the start must not continue a word.
    boundary: bool,
    /// Whether the secret part must look random.
    random: bool,
}

const fn exact(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, boundary: false, random: false }
}

const fn word(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, boundary: true, random: false }
}

const fn random(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, boundary: true, random: true }
}

const FORMATS: &[Format] = &[
    word("aws-access-key", &["AKIA", "ASIA", "ABIA", "ACCA"], r"[A-Z2-7]{16}(?:[^A-Za-z0-9]|$)"),
    exact("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"[A-Za-z0-9]{36,}"),
    exact("github-token", &["github_pat_"], r"[A-Za-z0-9_]{50,}"),
    exact(
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-", "glagent-", "glft-"],
        r"[A-Za-z0-9_=-]{20,}",
    ),
    exact("slack-token", &["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xoxe-"], r"[0-9A-Za-z-]{16,}"),
    exact("slack-token", &["xoxe.xox"], r"[bp]-[0-9A-Za-z-]{16,}"),
    exact("slack-token", &["xapp-"], r"\d-[A-Z0-9]+-\d+-[a-z0-9]{16,}"),
    exact("slack-webhook", &["hooks.slack.com/services/"], r"[A-Za-z0-9+/]{40,}"),
    exact("stripe-key", &["sk_live_", "rk_live_", "sk_test_", "rk_test_"], r"[A-Za-z0-9]{16,}"),
    random("stripe-webhook-secret", &["whsec_"], r"[A-Za-z0-9+/=]{24,}"),
    exact("anthropic-key", &["sk-ant-"], r"[A-Za-z0-9_-]{24,}"),
    exact("openai-key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], r"[A-Za-z0-9_-]{24,}"),
    random("openai-key", &["sk-"], r"(?:or-v1-)?[A-Za-z0-9]{32,}"),
    exact("google-api-key", &["AIza"], r"[A-Za-z0-9_-]{35,}"),
    random("google-oauth-token", &["ya29."], r"[A-Za-z0-9_-]{20,}"),
    exact("google-oauth-secret", &["GOCSPX-"], r"[A-Za-z0-9_-]{20,}"),
    exact("npm-token", &["npm_"], r"[A-Za-z0-9]{36,}"),
    exact("pypi-token", &["pypi-AgEIcHlwaS5vcmc"], r"[A-Za-z0-9_-]{40,}"),
    exact("pypi-token", &["pypi-AgENdGVzdC5weXBpLm9yZ"], r"[A-Za-z0-9_-]{40,}"),
    exact("sendgrid-key", &["SG."], r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}"),
    random("huggingface-token", &["hf_"], r"[A-Za-z0-9]{30,}"),
    exact("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], r"[a-f0-9]{64}"),
    exact("shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_"], r"[A-Fa-f0-9]{32}"),
    exact("age-key", &["AGE-SECRET-KEY-1"], r"[0-9A-Z]{50,}"),
    exact("jwt", &["eyJ"], r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,})?"),
    Format {
        kind: "url-password",
        starts: &["://"],
        rest: r#"[^\s/:@"'<>`\\]{0,128}:([^\s/@"'<>`\\]{6,256})@[A-Za-z0-9\[]"#,
        boundary: false,
        random: false,
    },
];

/// A name that is about to be given a secret, in any case, as far as a literal search can tell.
const NAMES: &str =
    r"passw|passphrase|secret|token|api[-_]?key|access[-_]?key|auth[-_]?key|account[-_]?key|bearer|basic[ ]";

/// From the name on: the rest of the name, what assigns, and the value. Quotes may be escaped, because
/// much of what is scanned is JSON that holds text that holds quotes.
const ASSIGNMENT: &str = concat!(
    r#"(?i-u)^[a-z_][a-z0-9_.-]{0,40}\\{0,3}["']?\]?[ \t]{0,4}(?:=>|:=|=|:)[ \t]{0,4}"#,
    r#"(?:\\{0,3}["'`](?<quoted>[^"'`\\\s]{8,})\\{0,3}["'`]|(?<bare>[a-z0-9_+/=.~!@#%^&*-]{16,})(?:[\s"'`\\,;)}\]<|]|$))"#
);

/// The value of an `Authorization` header.
const HEADER: &str = r"(?i-u)^(?:bearer|basic)[ \t]{1,4}(?<bare>[a-z0-9._~+/-]{16,}={0,2})";

/// A secret in a slice: `start..end` of it, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: &'static str,
}

struct Compiled {
    starts: Regex,
    formats: Vec<(&'static Format, Regex)>,
    names: Regex,
    assignment: Regex,
    header: Regex,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let all: Vec<String> =
        FORMATS.iter().flat_map(|format| format.starts).map(|start| regex::escape(start)).collect();
    let formats = FORMATS.iter().map(|format| {
        let starts: Vec<String> = format.starts.iter().map(|start| regex::escape(start)).collect();
        (format, regex(&format!("(?-u)^(?:{}){}", starts.join("|"), format.rest)))
    });
    Compiled {
        starts: regex(&all.join("|")),
        formats: formats.collect(),
        names: regex(&format!("(?i-u){NAMES}")),
        assignment: regex(ASSIGNMENT),
        header: regex(HEADER),
    }
});

/// Compiles one of the expressions above.
pub(super) fn regex(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the expressions are constants, and a test compiles each")]
    RegexBuilder::new(pattern).build().expect("a constant expression is valid")
}

/// Looks for secrets that start in `from..limit` of `text` and end before `reach`, each within
/// `longest` bytes, and hands each to `found`. `before` are the two bytes in front of `text`.
pub(super) fn find(
    text: &[u8],
    from: usize,
    limit: usize,
    reach: usize,
    longest: usize,
    before: [u8; 2],
    found: &mut dyn FnMut(usize, Found),
) {
    let compiled = &*COMPILED;
    for hit in compiled.starts.find_iter(&text[from..reach]) {
        let at = from + hit.start();
        if at >= limit {
            break;
        }
        let slice = &text[at..reach.min(at + longest)];
        for (format, regex) in &compiled.formats {
            if !format.starts.iter().any(|start| start.as_bytes() == hit.as_bytes())
                || (format.boundary && continues_word(text, at, before))
            {
                continue;
            }
            if let Some(secret) = format_match(format, regex, slice) {
                found(at, Found { start: at + secret.0, end: at + secret.1, kind: format.kind });
            }
        }
    }
    for hit in compiled.names.find_iter(&text[from..reach]) {
        let at = from + hit.start();
        if at >= limit {
            break;
        }
        let slice = &text[at..reach.min(at + longest)];
        if let Some((start, end, kind)) = named_match(compiled, slice) {
            found(at, Found { start: at + start, end: at + end, kind });
        }
    }
}

fn format_match(format: &Format, regex: &Regex, slice: &[u8]) -> Option<(usize, usize)> {
    let captures = regex.captures(slice)?;
    let whole = captures.get(0)?;
    if let Some(secret) = captures.get(1) {
        return (!is_placeholder(secret.as_bytes())).then_some((secret.start(), secret.end()));
    }
    let mut end = whole.end();
    if format.kind == "aws-access-key" {
        // The expression looks one byte ahead, to tell a key from a longer word.
        end = end.min(20);
    }
    if format.random && !is_random(&slice[..end], 3.0) {
        return None;
    }
    Some((0, end))
}

fn named_match(compiled: &Compiled, slice: &[u8]) -> Option<(usize, usize, &'static str)> {
    if let Some(captures) = compiled.header.captures(slice) {
        let value = captures.name("bare")?;
        let secret = is_random(value.as_bytes(), 3.0) && !is_placeholder(value.as_bytes());
        return secret.then_some((value.start(), value.end(), "authorization"));
    }
    let captures = compiled.assignment.captures(slice)?;
    let (value, secret) = match (captures.name("quoted"), captures.name("bare")) {
        (Some(value), _) => (value, is_random(value.as_bytes(), 2.5)),
        (None, value) => {
            let value = value?;
            let bytes = value.as_bytes();
            (value, is_random(bytes, 3.3) && !is_path_of_names(bytes) && !is_identifier(bytes))
        }
    };
    (secret && !is_placeholder(value.as_bytes())).then_some((value.start(), value.end(), "assigned-secret"))
}

/// Whether the byte before `at` belongs to the same word. The letter of an escape such as `\n` in JSON
/// does not.
fn continues_word(text: &[u8], at: usize, before: [u8; 2]) -> bool {
    let back = |n: usize| at.checked_sub(n).map_or_else(|| before[2 + at - n], |index| text[index]);
    let last = back(1);
    if !(last.is_ascii_alphanumeric() || last == b'_') {
        return false;
    }
    !(back(2) == b'\\' && matches!(last, b'n' | b'r' | b't' | b'b' | b'f'))
}

/// Whether text mixes letters and digits with at least this many bits of entropy a byte: English words
/// and identifiers do not.
pub(super) fn is_random(text: &[u8], bits: f64) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text.iter().any(u8::is_ascii_alphabetic) && entropy(text) >= bits
}

#[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53")]
pub(super) fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len() as f64;
    let share = |count: &usize| *count as f64 / total;
    -counts.iter().filter(|count| **count > 0).map(share).map(|p| p * p.log2()).sum::<f64>()
}

/// Whether a value is plainly an example, a variable or already redacted.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 14] = [
        "example",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "redacted",
        "dummy",
        "your_",
        "your-",
        "xxxx",
        "****",
        "...",
        "${",
        "{{",
    ];
    // Mixed case is random text that happens to hold a word, as in the widely used sample keys.
    let text = String::from_utf8_lossy(value);
    let capitals = !value.iter().any(u8::is_ascii_lowercase);
    let lower = if capitals { text.to_ascii_lowercase() } else { text.into_owned() };
    let simple = ["password", "passwd", "secret", "pass"].contains(&lower.as_str());
    simple
        || WORDS.iter().any(|word| lower.contains(word))
        || lower.starts_with(['$', '<', '%', '{', '['])
        || lower.bytes().all(|byte| Some(byte) == lower.bytes().next())
}

/// Whether a bare value reads as code (`config.auth2.token`, `next_token_v2`), not as a token: every
/// part is a word, perhaps with a number of at most two digits at its end.
fn is_path_of_names(value: &[u8]) -> bool {
    value.split(|byte| matches!(byte, b'.' | b'_' | b'-' | b'/')).all(|part| {
        let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        digits <= 2 && part[..part.len() - digits].iter().all(u8::is_ascii_alphabetic)
    })
}

/// Whether a bare value reads as one name of a program (`fts5CreateTokenizer_v2`): in random text every
/// other byte is of another class than the one before, or, in hexadecimal, most are digits.
fn is_identifier(value: &[u8]) -> bool {
    let class = |byte: &u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase(), byte.is_ascii_digit());
    let word = value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let changes = value.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count();
    word && digits * 4 < value.len() && changes * 2 < value.len()
}

#[cfg(test)]
mod tests {
    use crate::secret::Redactor;

    /// Texts with the secret in «», which must be redacted exactly there, and the kind.
    #[test]
    fn known_formats_are_found_and_nothing_around_them() {
        let cases = [
            ("id «AKIAIOSFODNN7EXAMPLE» done", "aws-access-key"),
            ("«ghp_0123456789abcdefghijABCDEFGHIJ012345», next", "github-token"),
            (r#"{"text":"a\n«gho_0123456789abcdefghijABCDEFGHIJ012345»\nb"}"#, "github-token"),
            ("«github_pat_11ABCDEFG0abcdefghijkl_0123456789abcdefghijABCDEFGHIJ0123»", "github-token"),
            ("x=«glpat-AbCdEfGhIjKlMnOpQrSt»", "gitlab-token"),
            ("«xoxb-123456789012-abcdefABCDEF123456»", "slack-token"),
            (
                "https://«hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx»",
                "slack-webhook",
            ),
            ("«sk_live_4eC39HqLyjWDarjtT1zdp7dc»", "stripe-key"),
            ("«sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx-0123_456»", "anthropic-key"),
            ("«sk-proj-AbCdEfGhIjKlMnOpQrStUvWx0123456789»", "openai-key"),
            ("\u{1b}[31m«AIzaSyA0123456789abcdefghijklmnopqrstuvw»", "google-api-key"),
            ("«npm_0123456789abcdefghijABCDEFGHIJ012345»", "npm-token"),
            ("«pypi-AgEIcHlwaS5vcmcCJDAxMjM0NTY3LTg5YWItY2RlZi0wMTIzLTQ1Njc4OWFi»", "pypi-token"),
            ("«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N»", "jwt"),
            (r"a\n«ASIAIOSFODNN7EXAMPLE»\n", "aws-access-key"),
            ("postgres://user:«S3cret99»@db:5432/x", "url-password"),
            ("Authorization: Bearer «mF_9.B5f-4.1JqMx7Kq2Lz»", "authorization"),
            ("password = \"«hunter2hunter3»\"", "assigned-secret"),
            (r#"{\"api_key\": \"«9f8e7d6c5b4a39281706»\"}"#, "assigned-secret"),
            ("DB_PASSWORD=«Zx81qP0vL4mN7tRb»", "assigned-secret"),
            ("TOKEN: «kJ8sPq2mXzR4vTnWbYcL»", "assigned-secret"),
            ("secret=«da39a3ee5e6b4b0d3255bfef95601890afd80709»;", "assigned-secret"),
            ("aws_secret_access_key=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»", "assigned-secret"),
        ];
        for (case, kind) in cases {
            let text = case.replace(['«', '»'], "");
            let (head, rest) = case.split_once('«').expect("marked");
            let (_, tail) = rest.split_once('»').expect("marked");
            let wanted = format!("{head}[REDACTED:{kind}]{tail}");
            assert_eq!(Redactor::new().redact(&text), wanted, "{case}");
            assert_eq!(Redactor::new().redact(&wanted), wanted, "redacting twice changes nothing: {case}");
        }
    }

    #[test]
    fn prose_and_code_are_clean() {
        let cases = [
            "Add Bearer authentication",
            "Add Bearer authentication to the API: use a token, a password and a secret key.",
            "The password: must have at least 12 characters and 1 digit",
            "let token = config.auth2.token;",
            "token = next_token_v2_of_session",
            "pApi->xToken = fts5CreateTokenizer_v2; pNew->xToken = fts5V1toV2Tokenize;",
            "pub const D3DVSD_TOKEN_END: D3DVSD_TOKENTYPE = 7i32;",
            "password = getPassword(user1, 12345678)",
            "api_key: ${API_KEY_2024_PRODUCTION}",
            r#"password: "changeme123""#,
            r#"{"usage":{"input_tokens":123456789012345678,"output_tokens":2}}"#,
            "AKIAlower and BAKIAIOSFODNN7EXAMPLE and AKIAIOSFODNN7EXAMPLEX",
            "sk-button-primary sk-00000000000000000000000000000000",
            "http://localhost:8080/@scope/package https://user@host/ git@github.com:a/b",
            "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "see -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY----- in the docs",
            "ghp_short npm_config_registry eyJ.eyJ.x",
        ];
        for case in cases {
            assert_eq!(Redactor::new().scan(case), Vec::new(), "{case}");
        }
    }
}
