//! Which adapter a name means, and which one is taken when none is named.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{AgentAdapter, AgentError, CliAdapter, Places, ProbeContext};
use crate::spec::CliProfile;

/// The agent programs that the convoy file knows by name, in the order in which they are tried when no
/// adapter is named.
const KNOWN: [&str; 9] =
    ["copilot", "claude", "cursor", "opencode", "codex", "gemini", "antigravity", "amp", "goose"];

/// No adapter for a name, or none at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The format knows the program, this version cannot call it.
    #[error("not supported yet: adapter {name}; define it under `adapters:` as a command line profile")]
    NotBuilt {
        /// The name.
        name: String,
    },
    /// Nobody knows the name.
    #[error(
        "unknown adapter {name}: there are {}; others are defined under `adapters:` of the convoy file, or given to the \
         engine by its program",
        known.join(", ")
    )]
    Unknown {
        /// The name.
        name: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// No adapter was named, and none can be used.
    #[error(
        "no agent program was found: install Claude Code (`claude`), define your own program under `adapters:`, or give the \
         engine an adapter that is code of the host{}",
        list(tried)
    )]
    NoneAvailable {
        /// The adapters that were tried, in order, and why each cannot be used.
        tried: Vec<(String, AgentError)>,
    },
}

fn list(tried: &[(String, AgentError)]) -> String {
    tried.iter().map(|(_, error)| format!("\n  tried {error}")).collect()
}

/// The name that is used for an adapter everywhere: `claude-code` is `claude`.
pub fn canonical_name(name: &str) -> &str {
    if name == "claude-code" { "claude" } else { name }
}

/// Adapters by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    adapters: BTreeMap<String, Arc<dyn AgentAdapter>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.adapters.keys()).finish()
    }
}

impl Registry {
    /// Without any adapter.
    pub fn empty() -> Self {
        Self::default()
    }

    /// With those that are built in.
    pub fn built_in() -> Self {
        let mut registry = Self::empty();
        registry.insert(Arc::new(CliAdapter::claude()));
        registry
    }

    /// Adds an adapter, or puts it in the place of the one with its name.
    pub fn insert(&mut self, adapter: Arc<dyn AgentAdapter>) {
        self.adapters.insert(canonical_name(adapter.name()).to_owned(), adapter);
    }

    /// This registry with the profiles of a spec on top: a spec's own definition of a name wins.
    ///
    /// # Errors
    /// [`AgentError::InvalidProfile`] for the first profile that contradicts itself.
    pub fn with_profiles(&self, profiles: &BTreeMap<String, CliProfile>) -> Result<Self, AgentError> {
        let mut all = self.clone();
        for (name, profile) in profiles {
            all.insert(Arc::new(CliAdapter::new(canonical_name(name), profile.clone())?));
        }
        Ok(all)
    }

    /// This registry with the starts of each adapter as far apart as its limit says.
    #[must_use]
    pub fn paced(&self, places: &Arc<Places>) -> Self {
        let paced = |(name, adapter): (&String, &Arc<dyn AgentAdapter>)| {
            (name.clone(), places.paced(Arc::clone(adapter), name))
        };
        Self { adapters: self.adapters.iter().map(paced).collect() }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str)
    }

    /// The adapter of this name. Whether its program is installed is another question: see
    /// [`AgentAdapter::probe`].
    ///
    /// # Errors
    /// [`RegistryError::NotBuilt`] or [`RegistryError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<dyn AgentAdapter>, RegistryError> {
        let name = canonical_name(name);
        match self.adapters.get(name) {
            Some(adapter) => Ok(Arc::clone(adapter)),
            None if KNOWN.contains(&name) => Err(RegistryError::NotBuilt { name: name.to_owned() }),
            None => Err(RegistryError::Unknown {
                name: name.to_owned(),
                known: self.names().map(str::to_owned).collect(),
            }),
        }
    }

    /// The first adapter that can be used, for convoys that name none: the well-known ones first, then
    /// the others by name.
    ///
    /// # Errors
    /// [`RegistryError::NoneAvailable`] with what is wrong with each.
    pub async fn detect(&self, context: &ProbeContext) -> Result<Arc<dyn AgentAdapter>, RegistryError> {
        let known = KNOWN.iter().filter_map(|name| self.adapters.get(*name));
        let others = self.adapters.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
        let mut tried = Vec::new();
        for adapter in known.chain(others.map(|(_, adapter)| adapter)) {
            match adapter.probe(context).await {
                Ok(_) => return Ok(Arc::clone(adapter)),
                Err(error) => tried.push((adapter.name().to_owned(), error)),
            }
        }
        Err(RegistryError::NoneAvailable { tried })
    }
}
