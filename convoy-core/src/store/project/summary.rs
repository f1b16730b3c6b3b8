//! A line of the list of convoys.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::tables::Row;
use crate::store::ConvoySummary;
use crate::types::{ConvoyId, ConvoyStatus, TaskStatus, Timestamp, Totals};

/// A projected row that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the row of {convoy} holds no readable {column}: {found:?}")]
pub(in crate::store) struct BadRow {
    convoy: String,
    column: &'static str,
    found: String,
}

/// The status with this public text.
pub(in crate::store) fn status_of<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::from(text)).ok()
}

/// Lines in the order of the list, each given with the number of the convoy's first event.
pub(in crate::store) fn newest_first(mut lines: Vec<(Option<u64>, ConvoySummary)>) -> Vec<ConvoySummary> {
    lines.sort_by_key(|(first, line)| std::cmp::Reverse((line.created_at, *first)));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// How many rows of tasks are alike.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Alike<'a> {
    pub(in crate::store) status: &'a str,
    /// Whether their work has no review that it was to get.
    pub(in crate::store) unreviewed: bool,
    pub(in crate::store) count: u32,
}

/// The line of a convoy, from its row and from how many rows of tasks are alike.
pub(in crate::store) fn summary<'a>(
    convoy: &str,
    row: &Row,
    tasks: impl Iterator<Item = Alike<'a>>,
) -> Result<ConvoySummary, BadRow> {
    let bad = |column, found: &str| BadRow { convoy: convoy.to_owned(), column, found: found.to_owned() };
    let time = |column| match row.text(column) {
        None => Ok(None),
        Some(text) => Timestamp::parse(text).map(Some).map_err(|_| bad(column, text)),
    };
    let status_text = row.text("status").unwrap_or_default();
    let status: ConvoyStatus = status_of(status_text).ok_or_else(|| bad("status", status_text))?;
    // A move that has begun and not ended may have left the files in between.
    let moving = row.text("publish_state") == Some("started");
    let published = row.text("tip") == row.text("published_tip") && !moving;
    let branch = row.text("branch").unwrap_or_default();
    Ok(ConvoySummary {
        id: ConvoyId::new(convoy).map_err(|_| bad("convoy_id", convoy))?,
        name: row.text("name").unwrap_or_default().to_owned(),
        status,
        branch: branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned(),
        branch_ref: branch.to_owned(),
        published,
        unfinished: !status.is_final() || !published,
        created_at: time("created_at")?.ok_or_else(|| bad("created_at", ""))?,
        finished_at: time("finished_at")?,
        totals: totals(row, tasks).map_err(|text| bad("status", text))?,
    })
}

/// Tasks without a row have had no event: they are open.
fn totals<'a>(row: &Row, tasks: impl Iterator<Item = Alike<'a>>) -> Result<Totals, &'a str> {
    let (mut statuses, mut unreviewed) = (Vec::new(), 0);
    for alike in tasks {
        let status: TaskStatus = status_of(alike.status).ok_or(alike.status)?;
        if status == TaskStatus::Done && alike.unreviewed {
            unreviewed += alike.count;
        }
        statuses.extend(std::iter::repeat_n(status, alike.count as usize));
    }
    let mut totals = Totals::of(statuses);
    let all = row.int("tasks").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let unseen = all.saturating_sub(totals.total);
    totals.unreviewed = unreviewed;
    totals.total += unseen;
    totals.open += unseen;
    Ok(totals)
}
