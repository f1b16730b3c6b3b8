//! What the other scanner calls the formats that both know: by these names its file can switch off, or
//! allow more of, what we report.

/// Its name, and the kind of ours.
const SAME: &[(&str, &str)] = &[
    ("anthropic-api-key", "anthropic-key"),
    ("aws-access-token", "aws-access-key"),
    ("gcp-api-key", "google-api-key"),
    ("generic-api-key", "assigned-secret"),
    ("github-pat", "github-token"),
    ("gitlab-pat", "gitlab-token"),
    ("openai-api-key", "openai-key"),
    ("private-key", "private-key"),
    ("slack-bot-token", "slack-token"),
    ("stripe-access-token", "stripe-key"),
];

/// Whether a name in the file is for findings of this kind: it is that name, or the other scanner's for it.
pub(super) fn is_for(name: &str, kind: &str) -> bool {
    name == kind || SAME.contains(&(name, kind))
}

/// Whether a name stands for one of our formats.
pub(super) fn is_known(name: &str) -> bool {
    SAME.iter().any(|(theirs, ours)| name == *theirs || name == *ours)
}
