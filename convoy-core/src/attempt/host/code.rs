//! The code that a host has registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calls::{Answer, GateCall, HookCall, PromptCall, PromptPart};
use crate::spec::{HostKind, HostName};
use crate::types::BoxFuture;

/// Code of the host: from what it is told to what it answers.
pub(in crate::attempt) type Code<C, A> = Arc<dyn Fn(C) -> BoxFuture<'static, A> + Send + Sync>;

/// What a prompt source answers.
pub(in crate::attempt) type Part = Result<PromptPart, String>;

/// The code that a host has registered, by name. Code registered again under a name takes the place of the one before.
#[derive(Clone, Default)]
pub struct HostCode {
    gates: BTreeMap<String, Code<GateCall, Answer>>,
    prompts: BTreeMap<String, Code<PromptCall, Part>>,
    hooks: BTreeMap<String, Code<HookCall, Answer>>,
}

impl std::fmt::Debug for HostCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostCode")
            .field("gates", &self.gates.keys().collect::<Vec<_>>())
            .field("prompts", &self.prompts.keys().collect::<Vec<_>>())
            .field("hooks", &self.hooks.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl HostCode {
    /// Registers a gate.
    pub fn gate<F>(&mut self, name: impl Into<String>, gate: impl Fn(GateCall) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.gates.insert(name.into(), Arc::new(move |call| Box::pin(gate(call))));
    }

    /// Registers a prompt source.
    pub fn prompt<F>(
        &mut self,
        name: impl Into<String>,
        prompt: impl Fn(PromptCall) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<PromptPart, String>> + Send + 'static,
    {
        self.prompts.insert(name.into(), Arc::new(move |call| Box::pin(prompt(call))));
    }

    /// Registers a hook.
    pub fn hook<F>(&mut self, name: impl Into<String>, hook: impl Fn(HookCall) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.hooks.insert(name.into(), Arc::new(move |call| Box::pin(hook(call))));
    }

    /// Whether something is registered under a name, as what it is asked for.
    pub fn has(&self, wanted: &HostName) -> bool {
        match wanted.kind {
            HostKind::Gate => self.gates.contains_key(&wanted.name),
            HostKind::Prompt => self.prompts.contains_key(&wanted.name),
            HostKind::Hook => self.hooks.contains_key(&wanted.name),
        }
    }

    pub(in crate::attempt) fn find_gate(&self, name: &str) -> Option<Code<GateCall, Answer>> {
        self.gates.get(name).cloned()
    }

    pub(in crate::attempt) fn find_prompt(&self, name: &str) -> Option<Code<PromptCall, Part>> {
        self.prompts.get(name).cloned()
    }

    pub(in crate::attempt) fn find_hook(&self, name: &str) -> Option<Code<HookCall, Answer>> {
        self.hooks.get(name).cloned()
    }
}
