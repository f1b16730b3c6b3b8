//! `prune`: convoys that go.

use convoy_core::engine::{Engine, KeepReason, PruneOptions, PruneReport};
use convoy_core::types::ConvoyId;
use serde_json::json;

use crate::app::{App, choose};
use crate::args::PruneArgs;
use crate::exit::{Exit, Failure};
use crate::render::prune_lines;

pub(super) async fn prune(app: &mut App, args: PruneArgs) -> Result<Exit, Failure> {
    let Some(engine) = app.stored().await? else {
        if args.convoys.is_empty() {
            return Ok(tell(app, &PruneReport::default(), &args));
        }
        return Err(app.nothing());
    };
    let convoys = named(&engine, &args.convoys).await?;
    let options = PruneOptions {
        convoys: (!convoys.is_empty()).then_some(convoys),
        older_than: args.older_than,
        all: args.all,
        unpublished: args.unpublished,
        dry_run: args.dry_run,
    };
    let report = engine.prune(options).await?;
    Ok(tell(app, &report, &args))
}

/// The convoys that are meant. One that is named whole need not be listed: it may be pruned in part.
async fn named(engine: &Engine, wanted: &[String]) -> Result<Vec<ConvoyId>, Failure> {
    let ids: Vec<ConvoyId> = engine.list().await?.into_iter().map(|convoy| convoy.id).collect();
    let mut convoys = Vec::new();
    for wanted in wanted {
        let convoy = match ConvoyId::new(wanted.as_str()) {
            Ok(id) => Some(id),
            Err(_) => choose(&ids, Some(wanted))?,
        };
        convoys.extend(convoy.filter(|id| !convoys.contains(id)));
    }
    Ok(convoys)
}

fn tell(app: &mut App, report: &PruneReport, args: &PruneArgs) -> Exit {
    if args.json {
        app.out.json(&json!(report));
    } else {
        app.out.lines(&prune_lines(report));
    }
    exit(report, !args.convoys.is_empty())
}

/// What is kept by a rule is as asked, unless it was named.
fn exit(report: &PruneReport, is_named: bool) -> Exit {
    let has = |reason| report.kept.iter().any(|kept| kept.reason == reason);
    if has(KeepReason::Failed) {
        Exit::Engine
    } else if is_named && has(KeepReason::Running) {
        Exit::Busy
    } else if is_named && !report.kept.is_empty() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

#[cfg(test)]
mod tests {
    use convoy_core::engine::KeptConvoy;

    use super::*;

    #[test]
    fn what_was_named_and_is_kept_is_a_failure() {
        let report = |reasons: &[KeepReason]| {
            let kept = |reason: &KeepReason| KeptConvoy {
                convoy_id: ConvoyId::from_parts(1, 1),
                name: None,
                reason: *reason,
                detail: "why".to_owned(),
            };
            PruneReport { kept: reasons.iter().map(kept).collect(), ..PruneReport::default() }
        };
        let cases = [
            (&[][..], 0, 0),
            (&[KeepReason::Unpublished], 2, 0),
            (&[KeepReason::Unfinished, KeepReason::Running], 4, 0),
            (&[KeepReason::Running, KeepReason::Failed], 3, 3),
        ];
        for (reasons, named, not_named) in cases {
            let codes = [true, false].map(|is_named| exit(&report(reasons), is_named).code());
            assert_eq!(codes, [named, not_named], "{reasons:?}");
        }
    }
}
