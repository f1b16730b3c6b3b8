//! The reference page of events, made from the table that they are checked by.

use std::fmt::Write;

use super::meanings::{CONVOY_STATUS, MEANINGS, TASK_STATUS};
use super::table::{EVENTS, RECORDS, WORDS};
use super::{Field, fields, find};
use crate::event::TaskEvent;

const HEAD: &str = "\
# Events

Every type of event, when it comes and what it holds. This page is made from the table that the engine's events are
checked by.

An event is one flat JSON object. All have `_event_id` (its number in the store, rising), `timestamp` (RFC 3339, UTC,
milliseconds), `type` and `convoy_id`; `task_id` and `worker_id` are null where it concerns none. Events of a task have
`task_index`, too (its place in the plan, from 0), and those of an attempt `attempt_no` (from 1). The `worker_id` of an
attempt is `CONVOY.TASK_INDEX.ATTEMPT_NO`. Later versions may add types and members.

A member with `?` may be absent. Types: `text`, `bool`, `count` (a whole number from 0), `int`, `number`, `oid` (an
object of git), `time`, `texts` and `counts` (lists), words (`a` or `b`), or a name of the records below.

Three are not stored, have no number, and reach only who watches a run: `task_output` (`task_id`, `attempt_no`, `text`:
a piece of what an agent prints, free of secrets; it may come before the `task_started` of its attempt), `lagged`
(`lost`: so many of those pieces were lost, because the watcher was slow) and, where a watcher is told of the end by an
event, `run_ended`.
";

/// The reference page in Markdown.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a `String` cannot fail.
    let _ = write_page(&mut page);
    page
}

fn write_page(page: &mut String) -> std::fmt::Result {
    for (title, of_task) in [("Of a convoy", false), ("Of a task", true)] {
        writeln!(page, "\n## {title}")?;
        for (name, data) in EVENTS.iter().filter(|(name, _)| TaskEvent::TYPES.contains(name) == of_task) {
            writeln!(page, "\n### `{name}`\n\n{}", find(MEANINGS, name).unwrap_or_default())?;
            write_members(page, data)?;
        }
    }
    writeln!(
        page,
        "\n## Records\n\n`concurrency` and `tasks` are as in a convoy file; `providers` and `limits` are objects by the name of an adapter."
    )?;
    for (name, data) in RECORDS {
        writeln!(page, "\n### `{name}`")?;
        write_members(page, data)?;
    }
    for (title, table) in [("Status of a convoy", CONVOY_STATUS), ("Status of a task", TASK_STATUS)] {
        writeln!(page, "\n## {title}\n\n| status | meaning |\n|---|---|")?;
        for (status, meaning) in table {
            writeln!(page, "| `{status}` | {meaning} |")?;
        }
    }
    Ok(())
}

fn write_members(page: &mut String, data: &'static str) -> std::fmt::Result {
    let members: Vec<String> = fields(data).map(shown).collect();
    if members.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n{}", members.join(", "))
}

fn shown(Field { name, kind, optional }: Field) -> String {
    let kind = match kind.strip_suffix("[]") {
        Some(of) => format!("list of {of}"),
        None => shown_kind(kind),
    };
    format!("`{name}`{} {kind}", if optional { "?" } else { "" })
}

fn shown_kind(kind: &'static str) -> String {
    match find(WORDS, kind) {
        Some(_) => format!("{} (below)", kind.replace('_', " ")),
        None if kind.contains('|') => {
            kind.split('|').map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
        }
        None => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &[(&'static str, &'static str)]) -> Vec<&'static str> {
        table.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn every_type_and_every_status_has_a_meaning() {
        assert_eq!(names(MEANINGS), names(EVENTS), "in the same order");
        for (words, meanings) in [("convoy_status", CONVOY_STATUS), ("task_status", TASK_STATUS)] {
            let mut wanted: Vec<&str> = find(WORDS, words).expect("there").split('|').collect();
            let mut found = names(meanings);
            wanted.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, wanted, "{words}");
        }
        for (name, meaning) in [MEANINGS, CONVOY_STATUS, TASK_STATUS].concat() {
            assert!(meaning.ends_with('.'), "{name}: {meaning}");
        }
    }

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let committed = include_str!("../../../EVENTS.md");
        if committed != reference_markdown() {
            let hint = "cargo run -p convoy-core --features testing --example reference -- events > convoy-core/EVENTS.md";
            panic!("EVENTS.md is not what the table says; write it with `{hint}`");
        }
    }
}
