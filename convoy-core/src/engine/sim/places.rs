//! Adapters with a limit: another convoy of the engine that takes places of them, and the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::record::{Wrong, must};
use super::world::{Inner, World};
use crate::agent::Places;
use crate::types::TaskIx;

/// What happens at the adapters with a limit in one life of the engine.
#[derive(Debug, Default)]
pub(super) struct Desks {
    places: Option<Arc<Places>>,
    /// Attempts at work, by adapter.
    at_work: BTreeMap<String, u32>,
    /// When a program was started last.
    started: BTreeMap<String, Instant>,
}

impl World {
    /// The places of a new engine.
    pub(super) fn open_desks(&self, places: &Arc<Places>) {
        self.with(|w| w.desks = Desks { places: Some(places.clone()), ..Desks::default() });
    }

    /// Another convoy of the engine, which never ends.
    pub(super) async fn rival(&self, places: Arc<Places>) {
        let names: Vec<String> = places.limits().into_keys().collect();
        if names.is_empty() {
            return std::future::pending().await;
        }
        loop {
            self.nap(400).await;
            let name =
                self.with(|w| names[usize::try_from(w.rng.below(names.len() as u64)).unwrap_or(0)].clone());
            let place = places.take(&name).await;
            let begun = self.with(|w| w.at_work(&name, 1));
            self.rule(begun);
            self.nap(400).await;
            let ended = self.with(|w| w.at_work(&name, -1));
            self.rule(ended);
            drop(place);
        }
    }

    /// Waits until the program of a task's attempt may start.
    pub(super) async fn start_in_turn(&self, task: TaskIx) {
        let (name, places) =
            self.with(|w| (w.record.state().adapter(task).to_owned(), w.desks.places.clone()));
        let Some(places) = places else { return };
        places.start(&name).await;
        let apart = places.limits().get(&name).map_or(0, |limit| limit.stagger.as_millis());
        let last = self.with(|w| w.desks.started.insert(name.clone(), Instant::now()));
        let since = last.map(|last| last.elapsed().as_millis());
        self.rule(must(since.is_none_or(|since| since >= apart), || {
            format!("{name} starts {since:?} ms after the last start, not {apart}")
        }));
    }
}

impl Inner {
    /// An attempt of an adapter begins or ends.
    pub(super) fn at_work(&mut self, adapter: &str, more: i32) -> Wrong {
        let Some(limit) = self.desks.places.as_ref().and_then(|places| places.limits().get(adapter).copied())
        else {
            return Ok(());
        };
        let now = self.desks.at_work.entry(adapter.to_owned()).or_default();
        *now = now.checked_add_signed(more).ok_or("less than nobody is at work")?;
        let most = limit.max_concurrent.unwrap_or(u32::MAX);
        must(*now <= most, || format!("{now} attempts of {adapter} are at work, at most {most} may be"))
    }
}
