//! The places that one run has at adapters with a limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::perform::Message;
use crate::agent::{Place, Places};

/// The places of one run. When it is dropped they are free, and nothing is asked for any more.
#[derive(Debug)]
pub(crate) struct Seats {
    /// Shared with the other runs of the engine.
    places: Arc<Places>,
    taken: BTreeMap<String, Vec<Place>>,
    asking: DropGuard,
}

impl Seats {
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self { places, taken: BTreeMap::new(), asking: CancellationToken::new().drop_guard() }
    }

    /// Waits for a place beside the loop.
    #[expect(clippy::disallowed_methods, reason = "the engine is the one that spawns tasks")]
    pub(crate) fn ask(&self, adapter: String, sender: mpsc::UnboundedSender<Message>) {
        let places = self.places.clone();
        let over = self.asking.token().child_token();
        tokio::spawn(over.run_until_cancelled_owned(async move {
            if let Some(place) = places.take(&adapter).await {
                // A run that is over gives it back by not taking it.
                drop(sender.send(Message::Place { adapter, place }));
            }
        }));
    }

    /// A place has come.
    pub(crate) fn sit(&mut self, adapter: &str, place: Place) {
        self.taken.entry(adapter.to_owned()).or_default().push(place);
    }

    /// Gives a place back.
    pub(crate) fn leave(&mut self, adapter: &str) {
        drop(self.taken.get_mut(adapter).and_then(Vec::pop));
    }
}
