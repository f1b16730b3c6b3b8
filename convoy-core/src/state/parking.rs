//! Providers that are left alone for a while, and adapters that nobody can use.

use std::collections::BTreeMap;

use super::run::RunState;
use crate::types::{Failure, FailureKind, TaskIx, Timestamp};

/// What is known of the providers that a convoy uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parking {
    /// By provider.
    limited: BTreeMap<String, Limited>,
    /// By provider: calls that failed in a way that no second try mends.
    broken: BTreeMap<String, Vec<Broken>>,
}

/// A provider whose limit was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limited {
    until: Timestamp,
    /// How often in a row, without anything that worked in between.
    times: u32,
}

/// A way to call an adapter that does not work.
#[derive(Debug, Clone, PartialEq)]
struct Broken {
    /// With this model; `None` = with any.
    model: Option<Option<String>>,
    failure: Failure,
}

impl Parking {
    /// The provider is not called before this time.
    pub(super) fn limit(&mut self, provider: &str, until: Timestamp, now: Timestamp) {
        let known = self.limited.entry(provider.to_owned()).or_insert(Limited { until, times: 0 });
        // Several agents meet one limit at once: that is one time.
        if known.times == 0 || known.until <= now {
            known.times += 1;
        }
        known.until = known.until.max(until);
    }

    /// The provider works.
    pub(super) fn works(&mut self, provider: &str) {
        if let Some(known) = self.limited.get_mut(provider) {
            known.times = 0;
        }
    }

    /// Nobody can use the adapter as this task does. What it does not understand may be the model.
    pub(super) fn break_down(&mut self, provider: &str, model: Option<&String>, failure: &Failure) {
        let model = (failure.kind == FailureKind::Contract).then(|| model.cloned());
        let known = self.broken.entry(provider.to_owned()).or_default();
        if !known.iter().any(|broken| broken.model == model) {
            known.push(Broken { model, failure: failure.clone() });
        }
    }

    /// A person may have mended what was broken.
    pub(super) fn forgive(&mut self) {
        self.broken.clear();
    }
}

impl RunState {
    /// The provider of a task's agent: the label of its adapter and account. Rate limits are a provider's;
    /// tasks of other providers go on.
    pub fn provider(&self, ix: TaskIx) -> &str {
        let adapter = self.adapter(ix);
        self.started.providers.get(adapter).map_or(adapter, String::as_str)
    }

    /// Until when nothing of this provider starts; a time that has passed means nothing any more.
    pub fn parked_until(&self, provider: &str) -> Option<Timestamp> {
        self.parking.limited.get(provider).map(|known| known.until)
    }

    /// How often in a row the provider reached its limit, without an agent that worked in between.
    pub fn parked_times(&self, provider: &str) -> u32 {
        self.parking.limited.get(provider).map_or(0, |known| known.times)
    }

    /// Every provider that is or was parked, and until when.
    pub fn parked(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.parking.limited.iter().map(|(provider, known)| (provider.as_str(), known.until))
    }

    /// Why no agent can be called as this task wants it: what another task found out. Forgotten when the
    /// convoy is resumed or taken up again, since a person may have mended it.
    pub fn broken(&self, ix: TaskIx) -> Option<&Failure> {
        let model = &self.plan.spec_of(ix).model;
        let known = self.parking.broken.get(self.provider(ix))?;
        let fits = |broken: &&Broken| broken.model.as_ref().is_none_or(|other| other == model);
        known.iter().find(fits).map(|broken| &broken.failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_meet_one_limit_together_count_once_and_one_that_works_ends_the_row() {
        let mut parking = Parking::default();
        let times = |parking: &Parking| parking.limited["p"].times;
        parking.limit("p", Timestamp(100), Timestamp(0));
        parking.limit("p", Timestamp(90), Timestamp(50));
        assert_eq!((times(&parking), parking.limited["p"].until), (1, Timestamp(100)));
        parking.limit("p", Timestamp(200), Timestamp(100));
        assert_eq!((times(&parking), parking.limited["p"].until), (2, Timestamp(200)));
        parking.works("p");
        parking.limit("p", Timestamp(300), Timestamp(150));
        assert_eq!(times(&parking), 1);
    }
}
