//! Databases, and what watches over running systems.

use super::{Format, exact, inside, random, word};

pub(super) const FORMATS: &[Format] = &[
    // https://docs.databricks.com/aws/en/dev-tools/auth/pat
    random("databricks-token", &["dapi", "dose"], "[a-f0-9]{32}(?:-[0-9])?\\b"),
    // https://planetscale.com/docs/api/reference/service-tokens
    exact("planetscale-token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], "[A-Za-z0-9_=.-]{32,}"),
    // https://supabase.com/docs/guides/api/api-keys
    random("supabase-key", &["sbp_"], "(?:[a-z0-9]{2,5}_)?[a-f0-9]{40}"),
    exact("supabase-key", &["sb_secret_"], "[A-Za-z0-9_-]{22,}"),
    // https://neon.com/docs/manage/api-keys
    random("neon-key", &["napi_"], "[a-z0-9]{40,}"),
    // https://www.mongodb.com/docs/atlas/api/service-accounts-overview/
    exact("mongodb-secret", &["mdb_sa_sk_"], "[A-Za-z0-9_-]{40}"),
    // https://www.cockroachlabs.com/docs/cockroachcloud/managing-access
    exact("cockroach-key", &["CCDB1_"], "[A-Za-z0-9]{22}_[A-Za-z0-9]{40}"),
    // https://aiven.io/docs/platform/concepts/service-users
    random("aiven-password", &["AVNS_"], "[A-Za-z0-9_-]{19,}"),
    // https://www.tinybird.co/docs/classic/administration/auth-tokens
    random("tinybird-token", &["p.eyJ"], "[A-Za-z0-9_-]{40,}\\.[A-Za-z0-9_-]{40,}"),
    // https://docs.pinecone.io/guides/projects/manage-api-keys
    exact("pinecone-key", &["pcsk_"], "[A-Za-z0-9]{4,}_[A-Za-z0-9]{40,}"),
    // https://www.contentful.com/developers/docs/references/authentication/
    exact("contentful-token", &["CFPAT-"], "[A-Za-z0-9_-]{43}"),
    // https://airtable.com/developers/web/guides/personal-access-tokens
    word("airtable-token", &["pat"], r"[A-Za-z0-9]{14}\.[a-f0-9]{64}\b"),
    // https://grafana.com/docs/grafana/latest/administration/service-accounts/
    exact("grafana-token", &["glsa_"], "[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    // https://grafana.com/docs/grafana-cloud/security-and-account-management/authentication-and-permissions/access-policies/
    random("grafana-token", &["glc_"], "[A-Za-z0-9+/]{32,}={0,2}"),
    random("grafana-token", &["eyJrIjoi"], "[A-Za-z0-9+/]{60,}={0,2}"),
    // https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/
    word("new-relic-key", &["NRAK-"], "[A-Z0-9]{27}\\b"),
    word("new-relic-key", &["NRII-", "NRIQ-"], "[A-Za-z0-9_-]{32}"),
    inside("new-relic-key", (36, "[a-f0-9]{36}"), &["NRAL"], "\\b"),
    // https://docs.sentry.io/account/auth-tokens/
    exact("sentry-token", &["sntrys_"], "eyJ[A-Za-z0-9+/=_-]{60,}"),
    exact("sentry-token", &["sntryu_", "sntrya_", "sntryi_"], "[a-f0-9]{64}"),
    // https://docs.dynatrace.com/docs/dynatrace-api/basics/dynatrace-api-authentication
    exact(
        "dynatrace-token",
        &["dt0c01.", "dt0s01.", "dt0s02.", "dt0s04.", "dt0s06.", "dt0s08.", "dt0s16."],
        r"[A-Z0-9]{8,24}\.[A-Z0-9]{64}",
    ),
    // https://docs.honeycomb.io/configure/environments/manage-api-keys/
    random("honeycomb-key", &["hcaik_", "hcbik_", "hcamk_", "hcxik_"], "[a-z0-9]{58}"),
    // https://axiom.co/docs/reference/tokens
    random("axiom-token", &["xaat-", "xapt-"], "[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"),
    // https://logfire.pydantic.dev/docs/how-to-guides/create-write-tokens/
    exact("logfire-token", &["pylf_v1_", "pylf_v2_"], "(?:[a-z]{2}_)?[A-Za-z0-9]{32,}"),
    // https://posthog.com/docs/api
    random("posthog-key", &["phx_", "phs_"], "[A-Za-z0-9]{40,}"),
    // https://docs.apify.com/platform/integrations/api
    exact("apify-token", &["apify_api_", "apify_proxy_"], "[A-Za-z0-9]{34,}"),
    // https://docs.mapbox.com/accounts/guides/tokens/
    exact("mapbox-token", &["sk.eyJ"], r"[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}"),
];
