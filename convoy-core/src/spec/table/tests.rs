//! Tests over the whole table.

use serde_json::{Value, json};

use super::samples::{Bad, bad, file_with, good, join, minimal};
use super::{Field, Off, Section, Status, sections};
use crate::spec::{Decoded, Problem, decode};

/// Every field with the section it belongs to.
fn fields() -> impl Iterator<Item = (&'static Section, &'static Field)> {
    sections().into_iter().flat_map(|section| section.fields.iter().map(move |field| (section, field)))
}

/// Decodes a file in which a field has a value; the field's path comes with it.
fn decode_with(section: &Section, field: &Field, value: &Value) -> (Decoded, String, String) {
    let mut around = minimal(section);
    around[field.key] = value.clone();
    let (file, path) = file_with(section, around);
    let text = format!("{file:#}");
    (decode(&text), join(&path, field.key), text)
}

fn error_at(decoded: &Decoded, path: &str) -> bool {
    decoded.problems.iter().any(|problem| problem.is_error() && problem.path == path)
}

fn shown(decoded: &Decoded) -> String {
    decoded.problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn names_are_unique_and_every_field_is_described() {
    let sections = sections();
    assert!(sections.len() > 20, "{}", sections.len());
    for section in &sections {
        assert!(section.doc.ends_with('.'), "{}", section.name);
        for (i, field) in section.fields.iter().enumerate() {
            let path = format!("{}.{}", section.name, field.key);
            assert!(field.doc.ends_with('.'), "{path}: {}", field.doc);
            assert!(section.fields[..i].iter().all(|other| other.key != field.key), "{path} twice");
            assert!(!field.required || field.default.is_none(), "{path}");
        }
    }
}

#[test]
fn every_field_takes_its_good_values() {
    let mut tried = 0;
    for (section, field) in fields() {
        for value in good(&field.kind) {
            let (decoded, path, text) = decode_with(section, field, &value);
            assert!(!error_at(&decoded, &path), "{path}: {value}\n{}\n{text}", shown(&decoded));
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

/// The error must name the field (or the item of it that is wrong) and stand where its value stands.
#[test]
fn every_field_refuses_its_bad_values_at_their_place() {
    let mut tried = 0;
    for (section, field) in fields() {
        let null = (!field.nullable).then(|| Bad { value: Value::Null, below: String::new() });
        for Bad { value, below } in bad(&field.kind).into_iter().chain(null) {
            let (decoded, path, text) = decode_with(section, field, &value);
            let path = format!("{path}{below}");
            assert!(error_at(&decoded, &path), "{path}: {value}\n{}\n{text}", shown(&decoded));
            assert!(decoded.spec.is_none());
            let line = decoded.problems.iter().find(|p| p.is_error() && p.path == path).map_or(0, |p| p.line);
            let written = text.lines().nth(line as usize - 1).unwrap_or_default();
            let names_field = written.contains(&format!("\"{}\"", field.key));
            assert!(names_field || !below.is_empty(), "{path}: line {line}\n{text}");
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn required_fields_are_missed_and_misspelt_ones_are_hinted() {
    for (section, field) in fields() {
        let misspelt = format!("{}z", field.key);
        let mut around = minimal(section);
        around[misspelt.as_str()] = json!(1);
        let (file, path) = file_with(section, around.clone());
        let decoded = decode(&file.to_string());
        let problem = decoded.problems.iter().find(|p| p.path == join(&path, &misspelt));
        let problem = problem.unwrap_or_else(|| panic!("{path} {misspelt}\n{}", shown(&decoded)));
        assert!(problem.is_error() && problem.message.starts_with("unknown key"), "{problem}");
        assert!(problem.hint.as_deref().is_some_and(|hint| hint.contains("did you mean")), "{problem}");
        if field.required {
            if let Some(map) = around.as_object_mut() {
                map.shift_remove(field.key);
            }
            let (file, path) = file_with(section, around);
            let path = join(&path, field.key);
            assert!(error_at(&decode(&file.to_string()), &path), "{path}");
        }
    }
}

#[test]
fn a_new_field_with_a_wrong_type_says_how_to_keep_a_key_of_ones_own() {
    for (section, field) in fields().filter(|(_, field)| field.ours) {
        let Some(Bad { value, below }) = bad(&field.kind).into_iter().find(|bad| bad.below.is_empty()) else {
            continue;
        };
        let (decoded, path, _) = decode_with(section, field, &value);
        let path = format!("{path}{below}");
        let hinted =
            |p: &Problem| p.path == path && p.hint.as_deref().is_some_and(|h| h.contains("rename it to `x-"));
        assert!(decoded.problems.iter().any(hinted), "{path}\n{}", shown(&decoded));
    }
}

/// Whether a field is reached without passing one that is not built.
fn is_reached(section: &Section) -> bool {
    section.name == "convoy"
        || sections().into_iter().any(|outer| {
            let uses = |f: &&Field| f.kind.section().is_some_and(|s| s.name == section.name);
            outer.fields.iter().filter(uses).any(|f| matches!(f.status, Status::Built)) && is_reached(outer)
        })
}

/// Equal, numbers in any spelling.
fn is_same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    a == b || number(a).is_some_and(|a| Some(a) == number(b))
}

fn off_values(off: &[Off]) -> Vec<Value> {
    off.iter()
        .flat_map(|off| match off {
            Off::False => vec![json!(false)],
            Off::Empty => vec![json!([]), json!({})],
        })
        .collect()
}

#[test]
fn what_is_not_built_is_listed_with_its_place_unless_it_is_switched_off() {
    let mut listed = 0;
    for (section, field) in fields().filter(|(section, _)| is_reached(section)) {
        let off = match field.status {
            Status::Built => None,
            Status::Unbuilt { off, .. } => Some(off_values(off)),
        };
        for value in good(&field.kind).into_iter().chain(off.clone().unwrap_or_default()) {
            if field.key == "depends_on_convoy" {
                continue; // Only in version 2, which has a test of its own.
            }
            let (decoded, path, text) = decode_with(section, field, &value);
            // An empty list where a mapping is wanted, and the reverse.
            let Some(spec) = decoded.spec.as_ref() else { continue };
            let entry = spec.unsupported.iter().find(|entry| entry.path == path);
            let warned = decoded
                .problems
                .iter()
                .any(|p| !p.is_error() && p.path == path && p.message.starts_with("not supported yet: "));
            let wanted = off.as_ref().is_some_and(|off| !off.iter().any(|off| is_same(off, &value)));
            assert_eq!((entry.is_some(), warned), (wanted, wanted), "{path}: {value}\n{}", shown(&decoded));
            if let Some(entry) = entry {
                let line = text.lines().nth(entry.line as usize - 1).unwrap_or_default();
                let at_column: String = line.chars().skip(entry.column as usize - 1).collect();
                assert!(at_column.starts_with(&format!("\"{}\"", field.key)), "{path}: {line}");
                listed += 1;
            }
        }
    }
    assert!(listed > 15, "{listed}");
}

#[test]
fn a_chain_is_not_supported_yet_and_a_list_without_version_2_has_no_effect() {
    let chain = decode("name: n\nversion: 2\ndepends_on_convoy: [a.yml]\n");
    assert_eq!(chain.spec.expect("valid").unsupported[0].path, "depends_on_convoy");
    let ignored = decode("name: n\nversion: 1\ndepends_on_convoy: [a.yml]\ntasks: [{id: a, prompt: p}]\n");
    assert_eq!(
        shown(&ignored),
        "3:1: warning: depends_on_convoy: has no effect in version 1 (write `version: 2`)"
    );
    assert_eq!(ignored.spec.expect("valid").unsupported, []);
}

#[test]
fn a_batch_of_what_nobody_verifies_has_no_effect() {
    for (merge, told) in [
        ("{batch: 5}", "3:9: warning: merge.batch: has no effect without `verify`"),
        ("{batch: 5, verify: []}", "3:9: warning: merge.batch: has no effect without `verify`"),
        ("{batch: 1}", ""),
        ("{batch: 5, verify: [npm test]}", ""),
    ] {
        let decoded =
            decode(&format!("name: n\nversion: 1\nmerge: {merge}\ntasks: [{{id: a, prompt: p}}]\n"));
        assert_eq!((shown(&decoded), decoded.spec.is_some()), (told.to_owned(), true), "{merge}");
    }
}

#[test]
fn keys_that_start_with_x_are_free_at_every_level() {
    for section in sections() {
        let mut around = minimal(section);
        around["x-mine"] = json!({"a": [1, null]});
        let (file, path) = file_with(section, around);
        let decoded = decode(&file.to_string());
        assert!(
            decoded.problems.iter().all(|p| !p.to_string().contains("x-mine")),
            "{path}\n{}",
            shown(&decoded)
        );
    }
}
