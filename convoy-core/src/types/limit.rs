//! How much of one agent program is used at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an engine allows its convoys of one adapter, all of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterLimit {
    /// Most attempts that work at once, from 1; `None`: as many as the convoys want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// The time between two starts; counted in whole milliseconds.
    #[serde(default, rename = "stagger_ms", with = "millis")]
    pub stagger: Duration,
}

impl AdapterLimit {
    /// At most so many attempts at once, from 1.
    pub fn max_concurrent(most: u32) -> Self {
        Self { max_concurrent: Some(most), stagger: Duration::ZERO }
    }

    /// Starts are at least so far apart.
    #[must_use]
    pub fn stagger(self, stagger: Duration) -> Self {
        Self { stagger, ..self }
    }
}

/// A duration as a whole number of milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_same_after_json() {
        for limit in [
            AdapterLimit::default(),
            AdapterLimit::max_concurrent(2).stagger(Duration::from_millis(1500)),
            AdapterLimit::default().stagger(Duration::from_secs(3)),
        ] {
            let json = serde_json::to_value(limit).expect("json");
            assert_eq!(serde_json::from_value::<AdapterLimit>(json).expect("a limit"), limit);
        }
        let json = serde_json::to_value(AdapterLimit::max_concurrent(2)).expect("json");
        assert_eq!(json, serde_json::json!({"max_concurrent": 2, "stagger_ms": 0}));
    }
}
