//! Payments and shops.

use super::{Format, exact, random, word};

pub(super) const FORMATS: &[Format] = &[
    // https://docs.stripe.com/keys
    exact("stripe-key", &["sk_live_", "rk_live_", "sk_test_", "rk_test_"], "[A-Za-z0-9]{16,}"),
    // https://docs.stripe.com/webhooks
    random("stripe-webhook-secret", &["whsec_"], "[A-Za-z0-9+/=]{24,}"),
    // https://developer.squareup.com/docs/build-basics/access-tokens
    random("square-token", &["EAAA"], "[A-Za-z0-9_-]{60}\\b"),
    exact("square-token", &["sq0atp-", "sq0csp-"], "[A-Za-z0-9_-]{22,}"),
    // https://developer.paypal.com/braintree/docs/guides/authorization/overview
    exact("braintree-token", &["access_token$"], r"(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    // https://plaid.com/docs/api/items/
    exact(
        "plaid-token",
        &["access-sandbox-", "access-development-", "access-production-"],
        "[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}",
    ),
    // https://docs.adyen.com/development-resources/api-credentials/
    random("adyen-key", &["AQE"], "[a-z][A-Za-z0-9+/*=-]{60,}"),
    // https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens
    exact("shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_", "shpua_"], "[A-Fa-f0-9]{32}"),
    // https://docs.easypost.com/docs/authentication
    random("easypost-key", &["EZAK", "EZTK"], "[A-Za-z0-9]{54}\\b"),
    // https://docs.goshippo.com/docs/guides_general/authentication/
    exact("shippo-token", &["shippo_live_", "shippo_test_"], "[a-f0-9]{40}"),
    // https://duffel.com/docs/api/overview/making-requests
    exact("duffel-token", &["duffel_live_", "duffel_test_"], "[A-Za-z0-9_=-]{43}"),
    // https://developer.flutterwave.com/docs/authentication
    exact("flutterwave-key", &["FLWSECK-", "FLWSECK_TEST-"], "[A-Za-z0-9]{32}-X"),
    // https://docs.midtrans.com/docs/midtrans-account
    exact("midtrans-key", &["Mid-server-"], "[A-Za-z0-9_-]{24}"),
    // https://docs.xendit.co/docs/api-keys
    exact("xendit-key", &["xnd_production_", "xnd_development_"], "[A-Za-z0-9]{40,}"),
    // https://www.mercadopago.com/developers/en/docs/your-integrations/credentials
    exact("mercadopago-token", &["APP_USR-"], r"\d{10,20}-\d{6}-[a-f0-9]{32}-\d{5,}"),
    // https://developer.paddle.com/api-reference/about/authentication
    exact(
        "paddle-key",
        &["pdl_live_apikey_", "pdl_sdbx_apikey_"],
        "[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}",
    ),
    exact("paddle-key", &["pdl_ntfset_"], "[a-z0-9]{26}_[A-Za-z0-9+/]{32}"),
    // https://docs.polar.sh/integrate/oat
    exact("polar-token", &["polar_oat_", "polar_pat_"], "[A-Za-z0-9]{32,}"),
    // https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki
    word("wallet-key", &["xprv9"], "[1-9A-HJ-NP-Za-km-z]{100,110}\\b"),
];
