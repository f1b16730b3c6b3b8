//! What a check is told of earlier ones.

use std::collections::HashSet;

use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::schedule::CheckOrder;
use crate::types::{ReviewVerdict, Timestamp};

/// A verdict holds for what it was given for, until a person has the task taken up again: that of a gate for its tree,
/// that of a review for its tree on its base.
pub(super) fn knows_only_what_passed(log: &[(Timestamp, Event)], order: &CheckOrder) {
    let revives = |event: &Event| matches!(event, Event::Convoy(ConvoyEvent::Retried { tasks, .. }) if tasks.contains(&order.task));
    let begun = log.iter().rposition(|(_, event)| revives(event)).unwrap_or(0);
    let (mut gates, mut reviews, mut base) = (HashSet::new(), HashSet::new(), None);
    for (_, event) in &log[begun..] {
        let Event::Task { task, event, .. } = event else { continue };
        match event {
            _ if *task != order.task => {}
            TaskEvent::Snapshot { work: Some(work), .. } | TaskEvent::Accepted { work, .. } => {
                base = Some(&work.base);
            }
            TaskEvent::Gate(result) if result.passed => {
                gates.insert((result.gate.as_str(), result.tree.as_ref()));
            }
            TaskEvent::ReviewVerdict(record) if record.verdict == ReviewVerdict::Pass => {
                reviews.insert((base, record.tree.as_ref(), record.level));
            }
            _ => {}
        }
    }
    let work = &order.work;
    for gate in &order.passed.commands {
        assert!(gates.contains(&(gate.as_str(), Some(&work.tree))), "{gate} did not pass {work:?}");
    }
    if let Some(level) = order.reviewed {
        let passed = reviews.contains(&(Some(&work.base), Some(&work.tree), level));
        assert!(passed, "no {level} review passed {work:?}");
    }
}
