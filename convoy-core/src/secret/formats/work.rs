//! Mail, messages, and what people plan, write and draw with.

use super::{Before, Format, exact, inside, random, word};

pub(super) const FORMATS: &[Format] = &[
    // https://www.twilio.com/docs/iam/api-keys
    random("twilio-key", &["SK"], "[0-9a-f]{32}\\b"),
    // https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
    exact("sendgrid-key", &["SG."], r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}"),
    // https://documentation.mailgun.com/docs/mailgun/api-reference/authentication/
    random("mailgun-key", &["key-"], "[0-9a-f]{32}\\b"),
    // https://mailchimp.com/developer/marketing/guides/quick-start/
    inside("mailchimp-key", (32, "[0-9a-f]{32}"), &["-us"], "[0-9]{1,2}\\b"),
    // https://developers.brevo.com/docs/getting-started
    exact("brevo-key", &["xkeysib-", "xsmtpsib-"], "[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    // https://resend.com/docs/api-reference/introduction
    random("resend-key", &["re_"], "[A-Za-z0-9]{8}_[A-Za-z0-9]{24}\\b"),
    // https://core.telegram.org/bots/features#botfather
    Format {
        kind: "telegram-token",
        starts: &[":AA"],
        rest: "[A-Za-z0-9_-]{33}\\b",
        before: Before::Digit,
        random: true,
    },
    // https://discord.com/developers/docs/resources/webhook
    exact(
        "discord-webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"\d{15,20}/[A-Za-z0-9_-]{60,}",
    ),
    // https://discord.com/developers/docs/reference#authentication
    // The first part is the bot's number in base64, which has its digits in groups of three.
    word(
        "discord-token",
        &["MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"],
        r"[AEIMQUYcgk][A-Za-z0-9]{21,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}",
    ),
    // https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
    exact(
        "teams-webhook",
        &["webhook.office.com/webhookb2/"],
        r"[a-f0-9-]{36}@[a-f0-9-]{36}/IncomingWebhook/[a-f0-9]{32}/[a-f0-9-]{36}",
    ),
    // https://help.zapier.com/hc/en-us/articles/8496288690317
    exact("zapier-webhook", &["hooks.zapier.com/hooks/catch/"], r"\d{4,}/[a-z0-9]{6,}"),
    // https://developers.facebook.com/docs/facebook-login/guides/access-tokens
    random("facebook-token", &["EAA"], "[A-Za-z0-9]{90,}"),
    // https://developer.x.com/en/docs/authentication/oauth-2-0/bearer-tokens
    word("x-bearer-token", &["AAAAAAAAAAAAAAAAAAAAA"], "(?<secret>[A-Za-z0-9%]{70,})"),
    // https://linear.app/developers/graphql
    exact("linear-key", &["lin_api_", "lin_oauth_"], "[A-Za-z0-9]{32,}"),
    // https://developers.notion.com/docs/authorization
    random("notion-token", &["ntn_"], "[A-Za-z0-9]{43,}"),
    random("notion-token", &["secret_"], "[A-Za-z0-9]{43}\\b"),
    // https://developers.asana.com/docs/personal-access-token
    random("asana-token", &["0/1", "1/1", "2/1"], r"\d{10,18}(?:/\d{11,19})?:[a-f0-9]{32}\b"),
    // https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
    word("atlassian-token", &["ATATT3", "ATCTT3", "ATSTT3"], "[A-Za-z0-9_=-]{40,}"),
    // https://developer.atlassian.com/cloud/trello/guides/rest-api/api-introduction/
    word("trello-token", &["ATTA"], "[a-f0-9]{64,72}"),
    // https://www.figma.com/developers/api#authentication
    exact("figma-token", &["figd_"], "[A-Za-z0-9_-]{40,}"),
    // https://clickup.com/api/developer-portal/authentication/
    random("clickup-token", &["pk_"], r"\d{6,10}_[A-Z0-9]{32}\b"),
    // https://www.typeform.com/developers/get-started/personal-access-token/
    random("typeform-token", &["tfp_"], "[A-Za-z0-9_-]{40,}"),
    // https://www.dropbox.com/developers/documentation/http/documentation
    random("dropbox-token", &["sl."], "(?:u\\.)?[A-Za-z0-9_-]{100,}"),
    // https://developers.hubspot.com/docs/guides/apps/private-apps/overview
    exact(
        "hubspot-token",
        &["pat-na1-", "pat-na2-", "pat-eu1-", "pat-ap1-"],
        "[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}",
    ),
    // https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_oauth_and_connected_apps.htm
    word("salesforce-session", &["00D"], r"[A-Za-z0-9]{12,15}![A-Za-z0-9._]{80,}"),
    // https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token.html
    word("zoho-token", &["1000."], r"[a-f0-9]{32}\.[a-f0-9]{32}\b"),
    // https://www.intercom.com/help/en/articles/1798120
    random("intercom-token", &["dG9rO"], "[A-Za-z0-9+/_-]{54}="),
    // https://documentation.onesignal.com/docs/keys-and-ids
    exact("onesignal-key", &["os_v2_app_", "os_v2_org_"], "[a-z0-9]{50,}"),
    // https://developers.frame.io/docs/getting-started/authentication
    exact("frameio-token", &["fio-u-"], "[A-Za-z0-9_-]{64}"),
];
