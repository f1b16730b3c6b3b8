//! Disputes: tasks whose work three panels have blocked, kept for a person.

use serde::Serialize;

use super::host::Parts;
use super::stored::load_from;
use crate::error::Error;
use crate::event::{Event, TaskEvent};
use crate::types::{ConvoyId, TaskId, Timestamp};

/// A disputed task, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisputeView {
    /// Its id.
    pub dispute_id: String,
    /// The task.
    pub task: TaskId,
    /// The role of the task.
    pub agent: String,
    /// Panels that blocked the work.
    pub panel_attempts: u32,
    /// Why the last of them did.
    pub reasons: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether nobody has closed it yet.
    pub open: bool,
    /// Who closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// The disputes of a convoy, in the order in which they were opened.
pub(super) async fn list(parts: &Parts, convoy: &ConvoyId) -> Result<Vec<DisputeView>, Error> {
    let (_, stored) = load_from(&*parts.store, convoy).await?;
    let mut disputes: Vec<DisputeView> = Vec::new();
    for record in stored.events {
        match record.event {
            Event::Task { id, event: TaskEvent::DisputeOpened(dispute), .. } => disputes.push(DisputeView {
                dispute_id: dispute.dispute_id,
                task: id,
                agent: dispute.agent,
                panel_attempts: dispute.panel_attempts,
                reasons: dispute.reasons,
                opened_at: record.time,
                open: true,
                resolved_by: None,
                resolution: None,
            }),
            Event::Task { event: TaskEvent::DisputeResolved { dispute_id, actor, resolution }, .. } => {
                for dispute in disputes.iter_mut().filter(|dispute| dispute.dispute_id == dispute_id) {
                    dispute.open = false;
                    (dispute.resolved_by, dispute.resolution) =
                        (Some(actor.clone()), Some(resolution.clone()));
                }
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => {}
        }
    }
    Ok(disputes)
}
