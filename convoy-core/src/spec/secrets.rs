//! A small test for texts that are certainly a secret. The engine's own detector is larger; this one
//! only has to catch the keys that people paste into a file.

/// Prefixes of keys, and the least number of letters, digits, `-` and `_` behind them.
const PREFIXES: [(&str, usize); 22] = [
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("sk-", 32),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("github_pat_", 30),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("npm_", 30),
    ("pypi-", 30),
    ("hf_", 30),
    ("SG.", 40),
];

/// Whether a text holds a private key, a signed token or a well known kind of access key.
pub(crate) fn looks_secret(text: &str) -> bool {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return true;
    }
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(|c: char| !is_key(c)).any(|word| {
        let jwt = word.starts_with("eyJ")
            && word.len() > 40
            && word.split('.').filter(|p| p.len() > 4).count() == 3;
        let keyed = |(prefix, least): &(&str, usize)| {
            word.strip_prefix(prefix).is_some_and(|rest| {
                rest.len() >= *least && rest.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            })
        };
        jwt || PREFIXES.iter().any(keyed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_keys_are_seen_and_ordinary_texts_are_not() {
        let digits = "0123456789".repeat(4);
        for prefix in ["sk-ant-", "ghp_", "AKIA", "AIza", "glpat-", "xoxb-", "npm_"] {
            assert!(looks_secret(&format!("{prefix}{digits}")), "{prefix}");
            assert!(looks_secret(&format!("Bearer {prefix}{digits}")), "{prefix}");
            assert!(!looks_secret(prefix), "{prefix}");
        }
        assert!(looks_secret(&format!(
            "{}.{}.{}",
            "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "abcdefghijk"
        )));
        assert!(looks_secret(concat!("-----BEGIN RSA ", "PRIVATE KEY-----\nMII")));
        for plain in [
            "",
            "production",
            "sk-learn",
            "http://localhost:3000/",
            "1",
            "debug,convoy=trace",
            "sk-this-is-a-rather-long-name-of-something",
        ] {
            assert!(!looks_secret(plain), "{plain}");
        }
    }
}
