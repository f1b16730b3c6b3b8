//! Clouds, hosting and networks.

use super::{Format, exact, inside, random, word};

pub(super) const FORMATS: &[Format] = &[
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    word("aws-access-key", &["AKIA", "ASIA", "ABIA", "ACCA"], r"(?<secret>[A-Z2-7]{16})(?:[^A-Za-z0-9]|$)"),
    // https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
    random("aws-bedrock-key", &["ABSK"], "[A-Za-z0-9+/]{100,}={0,2}"),
    random("aws-bedrock-key", &["bedrock-api-key-"], "[A-Za-z0-9+/]{60,}={0,2}"),
    // https://cloud.google.com/docs/authentication/api-keys
    exact("google-api-key", &["AIza"], "[A-Za-z0-9_-]{35,}"),
    // https://developers.google.com/identity/protocols/oauth2
    random("google-oauth-token", &["ya29."], "[A-Za-z0-9_-]{20,}"),
    random("google-oauth-token", &["1//0"], "[A-Za-z0-9_-]{40,}"),
    exact("google-oauth-secret", &["GOCSPX-"], "[A-Za-z0-9_-]{20,}"),
    // https://learn.microsoft.com/en-us/entra/identity-platform/how-to-add-credentials
    inside("azure-client-secret", (4, "[A-Za-z0-9_~.]{3}[0-9]"), &["Q~"], r"[A-Za-z0-9_~.-]{31,34}"),
    // https://learn.microsoft.com/en-us/azure/storage/common/storage-account-keys-manage
    inside(
        "azure-key",
        (76, "[A-Za-z0-9/+]{76}"),
        &["+ASt", "ACDb", "+ABa", "+AMC", "APIM"],
        "[A-Za-z0-9/+]{5}[AQgw]==",
    ),
    // https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-sas
    inside(
        "azure-key",
        (33, "[A-Za-z0-9/+]{33}"),
        &["+ASb", "+AEh", "+ARm", "AIoT"],
        "[A-Za-z0-9/+]{5}[AEIMQUYcgkosw048]=",
    ),
    // https://learn.microsoft.com/en-us/azure/azure-functions/function-keys-how-to
    inside("azure-key", (44, "[A-Za-z0-9_-]{44}"), &["AzFu"], "[A-Za-z0-9_-]{5}[AQgw]=="),
    // https://learn.microsoft.com/en-us/azure/search/search-security-api-keys
    inside("azure-key", (42, "[A-Za-z0-9]{42}"), &["AzSe"], "[A-D][A-Za-z0-9]{5}"),
    // https://learn.microsoft.com/en-us/azure/azure-cache-for-redis/cache-configure
    inside("azure-key", (33, "[A-Za-z0-9]{33}"), &["AzCa"], "[A-P][A-Za-z0-9]{5}="),
    // https://learn.microsoft.com/en-us/azure/container-registry/container-registry-authentication
    inside("azure-key", (42, "[A-Za-z0-9/+]{42}"), &["+ACR"], "[A-D][A-Za-z0-9]{5}"),
    // https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate
    inside("azure-devops-token", (76, "[A-Za-z0-9]{76}"), &["AZDO"], "[A-Za-z0-9]{4}"),
    // https://learn.microsoft.com/en-us/azure/ai-services/authentication
    inside("azure-key", (52, "[A-Za-z0-9]{52}"), &["JQQJ9"], "[A-Za-z0-9]{27}"),
    // https://learn.microsoft.com/en-us/azure/storage/common/storage-sas-overview
    random("azure-signature", &["sig="], "(?<secret>[A-Za-z0-9%+/]{42,}(?:%3[Dd]|=))"),
    // https://docs.digitalocean.com/reference/api/create-personal-access-token/
    exact("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], "[a-f0-9]{64}"),
    // https://devcenter.heroku.com/articles/authentication
    exact("heroku-key", &["HRKU-"], "[A-Za-z0-9_-]{36,}"),
    // https://developers.cloudflare.com/fundamentals/api/get-started/token-formats
    random("cloudflare-token", &["cfk_", "cfut_", "cfat_"], "[A-Za-z0-9_-]{40,}"),
    // https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/
    random("cloudflare-token", &["v1.0-"], "[a-f0-9]{24}-[a-f0-9]{146}"),
    // https://vercel.com/changelog/new-token-formats-and-secret-scanning
    random("vercel-token", &["vcp_", "vci_", "vca_", "vcr_", "vck_"], "[A-Za-z0-9]{24,}"),
    // https://vercel.com/docs/vercel-blob/using-blob-sdk
    exact("vercel-token", &["vercel_blob_rw_"], "[A-Za-z0-9]{16}_[A-Za-z0-9]{24,}"),
    // https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/
    random("netlify-token", &["nfp_", "nfc_", "nfo_", "nfb_", "nfu_"], "[A-Za-z0-9]{36,}"),
    // https://fly.io/docs/security/tokens/
    random("fly-token", &["fo1_"], "[A-Za-z0-9_-]{43}"),
    random("fly-token", &["fm1a_", "fm1r_", "fm2_"], "[A-Za-z0-9+/_-]{60,}={0,3}"),
    // https://render.com/docs/api
    random("render-key", &["rnd_"], "[A-Za-z0-9]{28,}"),
    // https://docs.deno.com/deploy/api/
    random("deno-token", &["ddp_", "ddw_"], "[A-Za-z0-9]{36}"),
    // https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair
    random("alibaba-key", &["LTAI"], "[A-Za-z0-9]{16,26}\\b"),
    // https://cloud.tencent.com/document/product/598/40488
    random("tencent-key", &["AKID"], "[A-Za-z0-9]{32}\\b"),
    // https://yandex.cloud/en/docs/iam/concepts/authorization/api-key
    random("yandex-key", &["AQVN"], "[A-Za-z0-9_-]{35,38}"),
    random("yandex-key", &["y0_"], "[A-Za-z0-9_-]{55,}"),
    // https://docs.scalingo.com/platform/getting-started/common-deployment-errors
    exact("scalingo-token", &["tk-us-"], "[A-Za-z0-9_-]{48}"),
    // https://api.slack.com/authentication/token-types
    exact(
        "slack-token",
        &["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xoxe-", "xoxc-", "xoxd-"],
        "[0-9A-Za-z%-]{16,}",
    ),
    exact("slack-token", &["xoxe.xox"], "[bp]-[0-9A-Za-z-]{16,}"),
    exact("slack-token", &["xapp-", "xwfp-"], r"\d-[A-Z0-9]+-\d+-[a-z0-9]{16,}"),
    // https://api.slack.com/messaging/webhooks
    exact(
        "slack-webhook",
        &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
        "[A-Za-z0-9+/]{40,}",
    ),
];
