//! Private key blocks: the one kind of secret that spans lines.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::pattern::regex;

pub(super) const KIND: &str = "private-key";

static BEGIN: LazyLock<Regex> = LazyLock::new(|| regex("-----BEGIN"));
static MARKER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?-u)^-----BEGIN[ A-Z0-9]{0,32}PRIVATE KEY(?: BLOCK)?-----"));
static DASHES: LazyLock<Regex> = LazyLock::new(|| regex("-----"));
static END: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?-u)^-----END[ A-Z0-9]{0,32}PRIVATE KEY(?: BLOCK)?-----"));
/// What a key has between its markers, and a mention of the markers has not.
static BODY: LazyLock<Regex> = LazyLock::new(|| regex(r"(?-u)[A-Za-z0-9+/=]{32,}"));
/// The body of a block that is cut off before its end marker: encoded lines, perhaps escaped, quoted,
/// or with the prefix of a diff.
static CUT_OFF: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?-u)^(?:(?:\\[nrt]|[\s"'>|-])*[A-Za-z0-9+/=]{16,})+"#));

/// The longest end marker.
const END_MARKER_MAX: usize = 80;

/// The next private key block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// There is none.
    None,
    /// It stands at `start..end`.
    At {
        /// First byte of the begin marker.
        start: usize,
        /// After the end marker, or after what there is of the body.
        end: usize,
    },
    /// A begin marker stands here, and what follows it is not known yet.
    Open(usize),
}

/// Looks for the next block whose begin marker starts in `from..limit` and lies before `reach`. Reads
/// up to `longest` bytes from there; `whole` says that nothing follows `text`.
pub(super) fn find(
    text: &[u8],
    mut from: usize,
    limit: usize,
    reach: usize,
    longest: usize,
    whole: bool,
) -> Key {
    while let Some(hit) = BEGIN.find(&text[from..reach]) {
        let start = from + hit.start();
        if start >= limit {
            break;
        }
        let Some(marker) = MARKER.find(&text[start..reach]) else {
            from = start + 1;
            continue;
        };
        let body = start + marker.end();
        let slice = &text[body..text.len().min(start + longest).max(body)];
        let complete = whole || text.len() - start >= longest;
        match extent(slice, complete) {
            Extent::Key(len) => return Key::At { start, end: body + len },
            Extent::Mention => from = body,
            Extent::Unknown => return Key::Open(start),
        }
    }
    Key::None
}

enum Extent {
    /// A key whose body and end marker have this length.
    Key(usize),
    /// Only the marker is mentioned.
    Mention,
    /// More text is needed.
    Unknown,
}

/// What follows a begin marker. No key holds five dashes but for its end marker, so the next ones
/// decide; that keeps the search linear even in text full of begin markers.
fn extent(body: &[u8], complete: bool) -> Extent {
    let dashes = DASHES.find(body).map(|found| found.start());
    let until = match dashes {
        Some(at) => {
            if let Some(end) = END.find(&body[at..]) {
                return if BODY.is_match(&body[..at]) {
                    Extent::Key(at + end.end())
                } else {
                    Extent::Mention
                };
            }
            if !complete && body.len() < at + END_MARKER_MAX {
                return Extent::Unknown;
            }
            at
        }
        None if complete => body.len(),
        None => return Extent::Unknown,
    };
    match CUT_OFF.find(&body[..until]) {
        Some(found) if BODY.is_match(found.as_bytes()) => Extent::Key(found.end()),
        _ => Extent::Mention,
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::Redactor;

    const BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";

    #[test]
    fn keys_are_redacted_as_a_whole_however_they_are_written() {
        let cases = [
            ("plain", format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END PRIVATE KEY-----"), ""),
            (
                "escaped",
                format!(r"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"),
                "",
            ),
            (
                "with headers",
                format!(
                    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{BODY}\n-----END EC PRIVATE KEY-----"
                ),
                "",
            ),
            (
                "in a diff",
                format!("-----BEGIN OPENSSH PRIVATE KEY-----\n+{BODY}\n+-----END OPENSSH PRIVATE KEY-----"),
                "",
            ),
            ("cut off", format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}"), "\nmore text"),
            (
                "PGP",
                format!(
                    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}\n-----END PGP PRIVATE KEY BLOCK-----"
                ),
                "",
            ),
        ];
        for (name, key, after) in cases {
            let text = format!("before \"{key}{after}\" behind\nlast");
            let wanted = format!("before \"[REDACTED:private-key]{after}\" behind\nlast");
            assert_eq!(Redactor::new().redact(&text), wanted, "{name}");
        }
    }

    #[test]
    fn public_parts_and_mentions_stay() {
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----\n");
        let code =
            "if t.starts_with(\"-----BEGIN PRIVATE KEY-----\") && t.ends_with(\"-----END PRIVATE KEY-----\")";
        for text in [certificate.as_str(), code, "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE"] {
            assert_eq!(Redactor::new().redact(text), text);
        }
    }

    #[test]
    fn a_text_full_of_begin_markers_is_scanned_once() {
        let text = "-----BEGIN PRIVATE KEY-----\n".repeat(50_000);
        assert_eq!(Redactor::new().redact(&text), text);
    }
}
