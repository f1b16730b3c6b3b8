//! What the other scanner calls the formats that both know: by these names its file can switch off, or
//! allow more of, what we report.

/// Its names for a kind of ours, where they do not begin alike.
const SAME: &[(&str, &[&str])] = &[
    ("age-key", &["age-secret-key"]),
    ("assigned-secret", &["generic-api-key", "hashicorp-tf-password"]),
    ("authorization", &["curl-auth-header"]),
    ("aws-access-key", &["aws-access-token"]),
    ("url-password", &["curl-auth-user"]),
    ("azure-client-secret", &["azure-ad-client-secret"]),
    ("facebook-token", &["facebook-page-access-token", "facebook-access-token"]),
    ("google-api-key", &["gcp-api-key"]),
    ("slack-token", &["slack-bot-token", "slack-user-token", "slack-app-token", "slack-config-access-token"]),
    ("slack-webhook", &["slack-webhook-url"]),
    ("terraform-token", &["hashicorp-tf-api-token"]),
    ("vault-token", &["vault-service-token", "vault-batch-token"]),
    ("x-bearer-token", &["twitter-bearer-token"]),
];

/// The first word of both names, where all of its rules that begin with it are for the same thing.
const PROVIDERS: &[&str] = &[
    "adyen",
    "airtable",
    "alibaba",
    "anthropic",
    "artifactory",
    "asana",
    "atlassian",
    "clojars",
    "cloudflare",
    "contentful",
    "databricks",
    "digitalocean",
    "discord",
    "doppler",
    "dropbox",
    "duffel",
    "dynatrace",
    "easypost",
    "flutterwave",
    "frameio",
    "github",
    "gitlab",
    "grafana",
    "heroku",
    "hubspot",
    "huggingface",
    "infisical",
    "linear",
    "mailchimp",
    "mailgun",
    "mapbox",
    "netlify",
    "notion",
    "npm",
    "openai",
    "perplexity",
    "plaid",
    "planetscale",
    "postman",
    "prefect",
    "private",
    "pulumi",
    "pypi",
    "readme",
    "rubygems",
    "scalingo",
    "sendgrid",
    "sentry",
    "shippo",
    "shopify",
    "snyk",
    "sourcegraph",
    "square",
    "stripe",
    "telegram",
    "twilio",
    "typeform",
    "yandex",
];

fn provider(name: &str) -> &str {
    let first = name.split('-').next().unwrap_or_default();
    if PROVIDERS.contains(&first) { first } else { name }
}

/// Whether a name in the file is for findings of this kind: it is that name, or the other scanner's for it.
pub(super) fn is_for(name: &str, kind: &str) -> bool {
    let same = SAME.iter().any(|(ours, theirs)| *ours == kind && theirs.contains(&name));
    same || name == kind || (provider(name) == provider(kind) && name != provider(name))
}

/// Whether a name stands for one of our formats.
pub(super) fn is_known(name: &str) -> bool {
    let ours = crate::secret::formats::all().map(|format| format.kind);
    ours.chain(["assigned-secret", "authorization", "private-key"]).any(|kind| is_for(name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_scanners_names_stand_for_ours() {
        let cases = [
            ("github-fine-grained-pat", "github-token", true),
            ("github-token", "github-token", true),
            ("gitlab-runner-authentication-token", "gitlab-token", true),
            ("generic-api-key", "assigned-secret", true),
            ("private-key", "private-key", true),
            ("jwt", "jwt", true),
            ("aws-access-token", "aws-access-key", true),
            ("aws-access-token", "aws-bedrock-key", false),
            ("gcp-api-key", "google-oauth-token", false),
            ("github-pat", "gitlab-token", false),
            ("github", "github-token", false),
            ("generic-api-key", "github-token", false),
        ];
        for (name, kind, same) in cases {
            assert_eq!(is_for(name, kind), same, "{name} {kind}");
        }
        assert!(is_known("npm-access-token") && is_known("generic-api-key") && !is_known("a-rule-of-theirs"));
    }
}
