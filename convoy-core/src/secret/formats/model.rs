//! Language models and what is built around them.

use super::{Format, exact, random};

pub(super) const FORMATS: &[Format] = &[
    // https://docs.claude.com/en/api/overview
    exact("anthropic-key", &["sk-ant-"], "[A-Za-z0-9_-]{24,}"),
    // https://platform.openai.com/docs/api-reference/authentication
    exact("openai-key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], "[A-Za-z0-9_-]{24,}"),
    random("openai-key", &["sk-"], "[A-Za-z0-9]{32,}"),
    // https://openrouter.ai/docs/api/reference/authentication
    exact("openrouter-key", &["sk-or-v1-"], "[a-f0-9]{64}"),
    // https://langfuse.com/docs/api-and-data-platform/features/public-api
    exact("langfuse-key", &["sk-lf-"], "[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"),
    // https://huggingface.co/docs/hub/security-tokens
    random("huggingface-token", &["hf_", "api_org_"], "[A-Za-z0-9]{30,}"),
    // https://replicate.com/docs/topics/security/api-tokens
    random("replicate-token", &["r8_"], "[A-Za-z0-9]{37}"),
    // https://console.groq.com/docs/quickstart
    random("groq-key", &["gsk_"], "[A-Za-z0-9]{48,}"),
    // https://docs.x.ai/docs/tutorial
    random("xai-key", &["xai-"], "[A-Za-z0-9]{60,}"),
    // https://docs.perplexity.ai/getting-started/quickstart
    random("perplexity-key", &["pplx-"], "[A-Za-z0-9]{40,}"),
    // https://docs.together.ai/reference/authentication-1
    random("together-key", &["tgp_v1_"], "[A-Za-z0-9_-]{40,}"),
    // https://docs.fireworks.ai/api-reference/introduction
    random("fireworks-key", &["fw_"], "[A-Za-z0-9]{22,24}\\b"),
    // https://inference-docs.cerebras.ai/quickstart
    random("cerebras-key", &["csk-"], "[a-z0-9]{40,}"),
    // https://docs.api.nvidia.com/nim/reference/llm-apis
    random("nvidia-key", &["nvapi-"], "[A-Za-z0-9_-]{60,}"),
    // https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key
    exact("langsmith-key", &["lsv2_pt_", "lsv2_sk_"], "[a-f0-9]{32}_[a-f0-9]{10}"),
    // https://elevenlabs.io/docs/api-reference/authentication
    random("elevenlabs-key", &["sk_"], "[a-f0-9]{48}\\b"),
    // https://docs.voyageai.com/docs/api-key-and-installation
    random("voyage-key", &["pa-"], "[A-Za-z0-9_-]{43}\\b"),
    // https://docs.tavily.com/documentation/api-reference/introduction
    random("tavily-key", &["tvly-"], "(?:dev-|prod-)?[A-Za-z0-9]{32,}"),
    // https://docs.firecrawl.dev/api-reference/introduction
    random("firecrawl-key", &["fc-"], "[a-f0-9]{32}\\b"),
    // https://e2b.dev/docs/api-key
    random("e2b-key", &["e2b_"], "[a-f0-9]{40}\\b"),
    // https://jina.ai/api-dashboard/
    random("jina-key", &["jina_"], "[A-Za-z0-9_-]{60,}"),
    // https://docs.wandb.ai/platform/app/settings-page/user-settings
    exact("wandb-key", &["wandb_v1_"], "[A-Za-z0-9_]{60,}"),
];
