//! Forges, package registries, and what builds and deploys.

use super::{Before, Format, exact, inside, random, word};

pub(super) const FORMATS: &[Format] = &[
    // https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    exact("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "[A-Za-z0-9]{36,}"),
    exact("github-token", &["github_pat_"], "[A-Za-z0-9_]{50,}"),
    // https://docs.gitlab.com/security/tokens/#token-prefixes
    exact(
        "gitlab-token",
        &[
            "glpat-", "gloas-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-",
            "glagent-", "glwt-", "glsoat-", "glffct-",
        ],
        "[A-Za-z0-9_=-]{20,}(?:\\.[a-z0-9]{2}\\.[a-z0-9]{7,9})?",
    ),
    word("gitlab-token", &["GR1348941"], "[A-Za-z0-9_-]{20,}"),
    // https://support.atlassian.com/bitbucket-cloud/docs/using-app-passwords/
    word("bitbucket-password", &["ATBB"], "[A-Za-z0-9_=.-]{28,}"),
    // https://docs.npmjs.com/about-access-tokens
    exact("npm-token", &["npm_"], "[A-Za-z0-9]{36,}"),
    // https://pypi.org/help/#apitoken
    exact("pypi-token", &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZ"], "[A-Za-z0-9_-]{40,}"),
    // https://crates.io/settings/tokens
    random("crates-io-token", &["cio"], "[A-Za-z0-9]{32}\\b"),
    // https://guides.rubygems.org/api-key-scopes/
    exact("rubygems-key", &["rubygems_"], "[a-f0-9]{48}"),
    // https://learn.microsoft.com/en-us/nuget/nuget-org/publish-a-package
    random("nuget-key", &["oy2"], "[a-z0-9]{43}\\b"),
    // https://github.com/clojars/clojars-web/wiki/Deploy-Tokens
    exact("clojars-token", &["CLOJARS_"], "[a-z0-9]{60}"),
    // https://packagist.com/docs/composer-authentication
    exact("packagist-token", &["packagist_ort_", "packagist_uut_", "packagist_out_"], "[a-f0-9]{32,}"),
    // https://docs.docker.com/security/access-tokens/
    exact("docker-token", &["dckr_pat_", "dckr_oat_"], "[A-Za-z0-9_-]{27,}"),
    // https://jfrog.com/help/r/jfrog-platform-administration-documentation/access-tokens
    random("jfrog-key", &["AKCp"], "[A-Za-z0-9]{69}"),
    random("jfrog-key", &["cmVmdGtuOj"], "[A-Za-z0-9]{54}"),
    // https://circleci.com/docs/managing-api-tokens/
    exact("circleci-token", &["CCIPAT_", "CCIPRJ_"], "[A-Za-z0-9]{16,}_[a-f0-9]{40}"),
    // https://buildkite.com/docs/platform/security/tokens
    exact("buildkite-token", &["bkua_", "bkaa_", "bkaj_", "bkct_", "bkpt_"], "[A-Za-z0-9_]{32,}"),
    // https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens
    exact("sonar-token", &["squ_", "sqp_", "sqa_"], "[a-f0-9]{40}"),
    // https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token
    exact("sourcegraph-token", &["sgp_"], "(?:(?:[a-f0-9]{16}|local)_)?[a-f0-9]{40}\\b"),
    // https://docs.snyk.io/snyk-api/authentication-for-api
    exact("snyk-token", &["snyk_uat.", "snyk_sat."], "[a-z0-9]{8}\\.[A-Za-z0-9_.-]{40,}"),
    // https://developer.hashicorp.com/terraform/cloud-docs/api-docs/user-tokens
    inside("terraform-token", (14, "[A-Za-z0-9]{14}"), &[".atlasv1."], "[A-Za-z0-9_=-]{60,}"),
    // https://developer.hashicorp.com/vault/docs/concepts/tokens
    word("vault-token", &["hvs.", "hvb.", "hvr."], "[A-Za-z0-9_-]{24,}"),
    // https://www.pulumi.com/docs/administration/access-identity/access-tokens/
    word("pulumi-token", &["pul-"], "[a-f0-9]{40}"),
    // https://docs.doppler.com/reference/auth-token-formats
    word(
        "doppler-token",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.said.", "dp.scim.", "dp.audit."],
        "(?:[a-z0-9_-]{2,35}\\.)?[A-Za-z0-9]{40,}",
    ),
    // https://infisical.com/docs/documentation/platform/token
    word("infisical-token", &["st."], "[a-f0-9-]{24,36}\\.[a-f0-9]{32}\\.[a-f0-9]{32}"),
    // https://developer.1password.com/docs/service-accounts/security/
    exact("1password-token", &["ops_eyJ"], "[A-Za-z0-9+/_-]{200,}={0,2}"),
    // https://support.1password.com/secret-key/
    word(
        "1password-secret-key",
        &["A3-"],
        "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}\\b",
    ),
    // https://learning.postman.com/docs/developer/postman-api/authentication/
    exact("postman-key", &["PMAK-"], "[a-f0-9]{24}-[a-f0-9]{34}"),
    // https://docs.readme.com/main/reference/authentication
    random("readme-key", &["rdme_"], "[a-z0-9]{70}"),
    // https://docs.prefect.io/v3/how-to-guides/cloud/manage-users/api-keys
    random("prefect-key", &["pnu_", "pnb_"], "[A-Za-z0-9]{36}"),
    // https://launchdarkly.com/docs/home/account/api
    Format {
        kind: "launchdarkly-key",
        starts: &["api-", "sdk-"],
        rest: "[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}\\b",
        before: Before::NoWord,
        random: true,
    },
    // https://tailscale.com/kb/1277/key-prefixes
    exact(
        "tailscale-key",
        &["tskey-api-", "tskey-auth-", "tskey-client-", "tskey-scim-", "tskey-webhook-"],
        "[A-Za-z0-9]{8,}(?:CNTRL)?-[A-Za-z0-9]{16,}",
    ),
    // https://github.com/C2SP/C2SP/blob/main/age.md
    exact("age-key", &["AGE-SECRET-KEY-1"], "[0-9A-Z]{50,}"),
    // https://datatracker.ietf.org/doc/html/rfc7519
    exact("jwt", &["eyJ"], r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,})?"),
    // https://datatracker.ietf.org/doc/html/rfc3986#section-3.2.1
    exact(
        "url-password",
        &["://"],
        r#"(?<user>[^\s/:@"'<>`\\]{0,128}):(?<secret>[^\s/@"'<>`\\]{6,256})@[A-Za-z0-9\[]"#,
    ),
];
