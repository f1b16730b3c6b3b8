//! The options of an engine, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::engine::{Engine, EngineBuilder, Retention};
use convoy_core::git::Backend;
use convoy_core::store::MemoryStore;
use convoy_core::types::AdapterLimit;
use serde::Deserialize;

use crate::error::convoy_error;
use crate::status::convoy_status::{CONVOY_INVALID_ARGUMENT, CONVOY_NOT_FOUND};

/// What `convoy_engine_builder_set_options` is given.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    pub(super) state_dir: Option<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) secrets: Vec<String>,
    pub(super) actor: Option<String>,
    pub(super) grace_ms: Option<u64>,
    pub(super) git: Option<String>,
    pub(super) git_backend: BackendText,
    pub(super) store: StoreText,
    pub(super) create: Option<bool>,
    pub(super) keep_for_ms: Option<u64>,
    pub(super) keep_convoys: Option<u32>,
    pub(super) logs_quota_bytes: Option<u64>,
    pub(super) adapter_limits: BTreeMap<String, LimitText>,
    pub(super) profile_limits: BTreeMap<String, LimitText>,
}

/// What "grace_ms" is where it is not given.
const GRACE_MS: u64 = 5000;

impl Options {
    /// The time between asking for an end and no longer waiting for it.
    pub(super) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms.unwrap_or(GRACE_MS))
    }

    /// Refuses a state directory without a name: it would be the working directory of whoever asks.
    pub(super) fn must_name_a_folder(&self) -> Result<(), convoy_error> {
        if self.state_dir.as_deref() == Some("") {
            let message = "`state_dir` is empty: name a folder, or leave it away for `.convoy` beside the main worktree";
            return Err(convoy_error::new(CONVOY_INVALID_ARGUMENT, message));
        }
        Ok(())
    }

    /// A builder of the core that has them, all but "create", which is for [`open`](Self::open).
    pub(super) fn builder(&self, repository: String) -> EngineBuilder {
        let mut builder = Engine::builder(repository).env(self.env.clone()).grace(self.grace());
        builder = self.secrets.iter().cloned().fold(builder, EngineBuilder::secret);
        if let Some(dir) = &self.state_dir {
            builder = builder.state_dir(dir);
        }
        if let Some(actor) = &self.actor {
            builder = builder.actor(actor);
        }
        if let Some(git) = &self.git {
            builder = builder.git(git);
        }
        builder = builder.git_backend(match self.git_backend {
            BackendText::Auto => Backend::Auto,
            BackendText::Reference => Backend::Reference,
        });
        if let StoreText::Memory = self.store {
            builder = builder.store(Arc::new(MemoryStore::new()));
        }
        builder = builder.retention(Retention {
            keep_for: self.keep_for_ms.map(Duration::from_millis),
            keep_convoys: self.keep_convoys,
            logs_quota: self.logs_quota_bytes,
        });
        for (name, limit) in &self.adapter_limits {
            builder = builder.adapter_limit(name, limit.into());
        }
        for (name, limit) in &self.profile_limits {
            builder = builder.profile_limit(name, limit.into());
        }
        builder
    }

    /// The engine of a builder that has everything.
    pub(super) async fn open(&self, builder: EngineBuilder) -> Result<Engine, convoy_error> {
        if self.create.unwrap_or(true) {
            return builder.build().await.map_err(convoy_error::from);
        }
        let existing = builder.open_existing().await?;
        existing.ok_or_else(|| convoy_error::new(CONVOY_NOT_FOUND, "no convoy was ever started here"))
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitText {
    max_concurrent: Option<u32>,
    stagger_ms: u64,
}

impl From<&LimitText> for AdapterLimit {
    fn from(text: &LimitText) -> Self {
        Self { max_concurrent: text.max_concurrent, stagger: Duration::from_millis(text.stagger_ms) }
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoreText {
    #[default]
    Sqlite,
    Memory,
}

#[derive(Debug, Clone, Copy, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BackendText {
    #[default]
    Auto,
    Reference,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_has_a_name() {
        let options = |text: &str| serde_json::from_str::<Options>(text).expect("reads");
        let refused = options(r#"{"state_dir": ""}"#).must_name_a_folder().expect_err("none");
        assert!(refused.message().contains("leave it away"), "{}", refused.message());
        options(r#"{"state_dir": "kept"}"#).must_name_a_folder().expect("one");
        options("{}").must_name_a_folder().expect("the usual one");
    }

    #[test]
    fn who_does_gits_work_is_an_option() {
        let chosen = |text: &str| {
            let options: Options = serde_json::from_str(text).expect("reads");
            format!("{:?}", options.builder("/r".to_owned()))
        };
        assert!(chosen("{}").contains("git_backend: Auto"), "{}", chosen("{}"));
        assert!(chosen(r#"{"git_backend": "auto"}"#).contains("git_backend: Auto"));
        assert!(chosen(r#"{"git_backend": "reference"}"#).contains("git_backend: Reference"));
        serde_json::from_str::<Options>(r#"{"git_backend": "fast"}"#).expect_err("there is no such one");
    }
}
