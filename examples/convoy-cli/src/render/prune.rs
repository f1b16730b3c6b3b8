//! What was pruned, and what was not, for people.

use convoy_core::engine::{PruneReport, PrunedConvoy};
use convoy_core::types::ConvoyId;

use super::{count, safe_line};

/// `prune` for people.
pub(crate) fn prune_lines(report: &PruneReport) -> Vec<String> {
    let mut lines: Vec<String> =
        report.pruned.iter().flat_map(|pruned| pruned_lines(pruned, report.dry_run)).collect();
    for kept in &report.kept {
        let name = named(&kept.convoy_id, kept.name.as_deref());
        lines.push(format!("kept {name}: {}", safe_line(&kept.detail)));
    }
    if lines.is_empty() {
        lines.push("nothing to prune".to_owned());
    }
    if report.database_bytes > 0 {
        lines.push(format!("the database is {} shorter", size(report.database_bytes)));
    }
    lines
}

/// What retention did, where it did anything.
pub(crate) fn retention_lines(report: &PruneReport) -> Vec<String> {
    let mut lines: Vec<String> =
        report.pruned.iter().flat_map(|pruned| pruned_lines(pruned, report.dry_run)).collect();
    for removed in &report.logs_removed {
        let size = size(removed.bytes);
        lines.push(format!("removed the logs of {} ({size}) to keep to the quota", removed.convoy_id));
    }
    lines
}

fn pruned_lines(pruned: &PrunedConvoy, dry_run: bool) -> Vec<String> {
    let what = match (dry_run, pruned.continued) {
        (false, false) => "pruned",
        (false, true) => "finished pruning",
        (true, false) => "would prune",
        (true, true) => "would finish pruning",
    };
    let mut had = vec![count(pruned.refs, "ref"), count(pruned.files, "file"), size(pruned.bytes)];
    if pruned.events > 0 {
        had.push(count(pruned.events, "event"));
    }
    let ended = match (&pruned.status, pruned.finished_at) {
        (Some(status), Some(at)) => format!(" ({status}, ended {at})"),
        _ => String::new(),
    };
    let name = named(&pruned.convoy_id, pruned.name.as_deref());
    let mut lines = vec![format!("{what} {name}{ended}: {}", had.join(", "))];
    if let Some(tip) = &pruned.unpublished {
        lines.push(format!("  its landed work is on no branch: {tip}, until git collects its garbage"));
    }
    lines.extend(pruned.left.iter().map(|left| format!("  {}", safe_line(left))));
    lines
}

fn named(convoy: &ConvoyId, name: Option<&str>) -> String {
    name.map_or_else(|| convoy.to_string(), |name| format!("{convoy} {}", safe_line(name)))
}

/// `12 bytes`, `3.4 kB`, `5.6 MB`, `7.8 GB`.
fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => count(bytes, "byte"),
    }
}

#[cfg(test)]
mod tests {
    use convoy_core::engine::{KeepReason, KeptConvoy, RemovedLogs};
    use convoy_core::types::{ConvoyStatus, Timestamp};

    use super::*;
    use crate::testing::oid;

    #[test]
    fn what_goes_and_what_stays_are_lines() {
        let convoy_id = ConvoyId::from_parts(1, 1);
        let whole = PrunedConvoy {
            convoy_id: convoy_id.clone(),
            name: Some("de\u{1b}[2Jmo".to_owned()),
            status: Some(ConvoyStatus::Failed),
            finished_at: Some(Timestamp(0)),
            continued: false,
            refs: 3,
            files: 1,
            bytes: 12_345,
            events: 1200,
            unpublished: Some(oid('a')),
            left: vec!["/x is no folder".to_owned()],
        };
        let half = PrunedConvoy {
            name: None,
            status: None,
            finished_at: None,
            continued: true,
            events: 0,
            unpublished: None,
            left: Vec::new(),
            ..whole.clone()
        };
        let kept = KeptConvoy {
            convoy_id: convoy_id.clone(),
            name: Some("other".to_owned()),
            reason: KeepReason::Unfinished,
            detail: "it has not ended".to_owned(),
        };
        let report = PruneReport {
            pruned: vec![whole, half],
            kept: vec![kept],
            logs_removed: vec![RemovedLogs { convoy_id: convoy_id.clone(), bytes: 999 }],
            database_bytes: 5_000_000,
            dry_run: false,
        };
        let wanted = [
            format!(
                "pruned {convoy_id} demo (failed, ended 1970-01-01T00:00:00.000Z): 3 refs, 1 file, 12.3 kB, 1,200 events"
            ),
            format!("  its landed work is on no branch: {}, until git collects its garbage", oid('a')),
            "  /x is no folder".to_owned(),
            format!("finished pruning {convoy_id}: 3 refs, 1 file, 12.3 kB"),
            format!("kept {convoy_id} other: it has not ended"),
            "the database is 5.0 MB shorter".to_owned(),
        ];
        assert_eq!(prune_lines(&report), wanted);
        let told = retention_lines(&report);
        assert_eq!(told[..4], wanted[..4]);
        assert_eq!(told[4], format!("removed the logs of {convoy_id} (999 bytes) to keep to the quota"));
        let dry = prune_lines(&PruneReport { dry_run: true, ..report });
        assert!(dry[0].starts_with("would prune ") && dry[3].starts_with("would finish pruning "), "{dry:?}");
        assert_eq!(prune_lines(&PruneReport::default()), ["nothing to prune"]);
        assert!(retention_lines(&PruneReport::default()).is_empty());
    }
}
