//! The reference page of the format, made from the field table.

use std::fmt::Write;

use super::scalar::wanted;
use super::table::{CONVOY, Field, INJECTED_TASK, INJECTION, Kind, Least, Off, Section, Status, sections};

const HEAD: &str = "\
# The convoy file

Every field of a `*.convoy.yml`, and at the end those of an `inject.yml`. This page is made from the field table that the decoder uses.

- YAML 1.2 (or JSON), one mapping at the top, UTF-8, at most 16 MiB. Booleans are `true` and `false` only.
- A misspelt key is an error, any other unknown key a warning. Keys that start with `x-` are yours.
- Durations are a whole number and `ms`, `s`, `m` or `h`, at most 24 days. Whole numbers may be written
  `3`, `3.0` or `\"3\"`.
- **+** marks what the format of opencastle 0.27 does not have.
- *Not yet*: the field is checked, but this version refuses to run a file that uses it. A value that
  switches it off may be written where one is named.
";

/// The reference page in Markdown.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in sections().into_iter().chain([&INJECTION, &INJECTED_TASK]) {
        // Writing to a `String` cannot fail.
        let _ = write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) -> std::fmt::Result {
    writeln!(page, "\n## {}\n\n{}{}\n", title(section), section.doc, used_by(section))?;
    writeln!(page, "| field | type | default | meaning |\n|---|---|---|---|")?;
    for field in section.fields {
        let plus = if field.ours { " **+**" } else { "" };
        let default = match (field.required, field.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let meaning = format!("{}{}", field.doc, note(field));
        let row = format!("`{}`{plus} | {} | {default} | {meaning}", field.key, of_kind(&field.kind));
        // A bar inside a cell would end it.
        let cells: Vec<String> = row.split(" | ").map(|cell| cell.replace('|', "\\|")).collect();
        writeln!(page, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn title(section: &Section) -> String {
    if section.name == CONVOY.name { "Top level".to_owned() } else { format!("`{}`", section.name) }
}

/// Where a section is used, and whether everything that uses it is not built.
fn used_by(section: &Section) -> String {
    let mut places = Vec::new();
    let mut built = false;
    for outer in sections() {
        for field in outer.fields.iter().filter(|f| f.kind.section().is_some_and(|s| s.name == section.name))
        {
            built |= matches!(field.status, Status::Built) && !is_below_unbuilt(outer);
            let prefix = if outer.name == CONVOY.name { String::new() } else { format!("{}.", outer.name) };
            places.push(format!("`{prefix}{}`", field.key));
        }
    }
    let note = if built { "" } else { " *Not yet.*" };
    if places.is_empty() { String::new() } else { format!(" Used by {}.{note}", places.join(", ")) }
}

/// Whether a section stands only below fields that are not built.
fn is_below_unbuilt(section: &Section) -> bool {
    section.name != CONVOY.name && used_by(section).ends_with("*Not yet.*")
}

fn note(field: &Field) -> String {
    let Status::Unbuilt { off, .. } = field.status else { return String::new() };
    let words: Vec<String> = off
        .iter()
        .map(|off| match off {
            Off::False => "`false`".to_owned(),
            Off::Empty => "empty".to_owned(),
        })
        .collect();
    match words.as_slice() {
        [] => " *Not yet.*".to_owned(),
        _ => format!(" *Not yet* (off: {}).", words.join(", ")),
    }
}

fn of_kind(kind: &Kind) -> String {
    match kind {
        Kind::Text(rule) | Kind::Loose(rule) => rule.describe().to_owned(),
        Kind::Duration { .. } => "duration".to_owned(),
        Kind::Seconds => "seconds".to_owned(),
        Kind::List(of, Least::Zero) => format!("list of {}", of_kind(of)),
        Kind::List(of, Least::One) => format!("list of {}, not empty", of_kind(of)),
        Kind::Map(rule, of) => format!("map: {} → {}", rule.describe(), of_kind(of)),
        Kind::Record(section) => format!("`{}`", section.name),
        Kind::Or(other, section) => format!("{}, or `{}`", of_kind(other), section.name),
        _ => wanted(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_current() {
        let committed = include_str!("../../REFERENCE.md");
        let page = reference_markdown();
        let written = concat!(env!("CARGO_MANIFEST_DIR"), "/REFERENCE.md");
        assert!(
            committed == page,
            "write it anew: cargo run -p convoy-core --features testing --example reference > {written}"
        );
    }

    #[test]
    fn every_field_has_a_row() {
        let page = reference_markdown();
        for section in sections() {
            let heading = format!("\n## {}\n", title(section));
            let rows =
                page.split_once(&heading).expect("a heading").1.split("\n## ").next().unwrap_or_default();
            for field in section.fields {
                assert!(rows.contains(&format!("\n| `{}`", field.key)), "{}.{}", section.name, field.key);
            }
        }
    }
}
