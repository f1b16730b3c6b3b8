//! Files of opencastle 0.27: what it loads and runs loads here, what it silently ignored is said, and
//! what it crashed on or misread is refused by name.
//!
//! Beside each `NAME.yml` of the folder stands `NAME.expected`: every problem, one a line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use convoy_core::plan::{Plan, check};
use convoy_core::spec::{OnExhausted, Spec, Switch};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/opencastle-0.27"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn load(name: &str) -> (Spec, Plan) {
    let checked = check(&read(name));
    let (Some(spec), Some(plan)) = (checked.spec, checked.plan) else {
        panic!("{name}: {:?}", checked.problems)
    };
    (spec.as_ref().clone(), plan)
}

#[test]
fn every_case_has_exactly_the_problems_that_stand_beside_it() {
    let mut texts: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).expect("the folder of cases") {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        let (stem, slot) = match name.split_once('.') {
            Some((stem, "yml")) => (stem, 0),
            Some((stem, "expected")) => (stem, 1),
            _ => panic!("{name} is no case"),
        };
        texts.entry(stem.to_owned()).or_default()[slot] = Some(read(&name));
    }
    for case in 0..=13 {
        let number = format!("{case:02}-");
        assert!(texts.keys().any(|stem| stem.starts_with(&number)), "there is no file for case {case}");
    }
    let mut wrong = String::new();
    for (stem, [text, expected]) in &texts {
        let text = text.as_deref().unwrap_or_else(|| panic!("{stem}.yml is missing"));
        let checked = check(text);
        let found: String = checked.problems.iter().map(|problem| format!("{problem}\n")).collect();
        assert_eq!(
            checked.plan.is_none(),
            stem.contains("refused") || found.contains(": error: "),
            "{stem}\n{found}"
        );
        if Some(&found) != expected.as_ref() {
            wrong.push_str(&format!("==> {stem}.expected\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "these files should hold\n{wrong}");
}

#[test]
fn harmless_spellings_of_numbers_are_the_numbers() {
    let (spec, _) = load("02-numbers.yml");
    assert_eq!(spec.version, 1);
    assert_eq!(format!("{:?}", spec.concurrency), "Fixed(3)");
    assert_eq!(spec.max_swarm_concurrency, 4);
    let retries: Vec<u32> = spec.tasks.iter().map(|task| task.max_retries).collect();
    assert_eq!(retries, [3, 10, 0]);
    assert_eq!(spec.tasks[0].gate_timeout, Duration::from_secs(100));
}

#[test]
fn a_merge_key_merges_and_written_keys_win() {
    let (spec, _) = load("03-yaml.yml");
    assert_eq!((spec.tasks[0].timeout, spec.tasks[0].max_retries), (Duration::from_secs(7200), 3));
}

#[test]
fn any_id_has_a_safe_name_of_its_own() {
    let (_, plan) = load("05-ids.yml");
    let names: Vec<String> = plan.indices().map(|ix| plan.dir_name(ix)).collect();
    let safe =
        |name: &String| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    assert!(names.iter().all(safe), "{names:?}");
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn all_spellings_of_a_path_are_one() {
    let (spec, _) = load("06-files.yml");
    assert_eq!(spec.tasks[1].files, ["app/[slug]", "app/(group)", "app/{a,b}"]);
    assert_eq!(spec.tasks[2].files, ["lib", "docs", "test/unit"]);
}

#[test]
fn independent_tasks_of_different_phases_with_one_partition_are_kept_apart() {
    let (_, plan) = load("07-overlap.yml");
    let overlaps: Vec<Vec<u32>> =
        plan.indices().map(|ix| plan.task(ix).overlaps.iter().map(|other| other.0).collect()).collect();
    assert_eq!(overlaps, [vec![], vec![2], vec![1], vec![]]);
}

#[test]
fn the_adapter_of_its_own_readme_is_known() {
    let (spec, _) = load("08-adapter-alias.yml");
    assert_eq!(spec.adapter.as_deref(), Some("claude"));
    assert!(spec.tasks.iter().all(|task| task.adapter.as_deref() == Some("claude")));
}

#[test]
fn defaults_count_without_a_version() {
    let (spec, _) = load("10-no-version.yml");
    assert_eq!((spec.version, spec.tasks[0].timeout), (1, Duration::from_secs(300)));
}

#[test]
fn what_was_never_read_reaches_the_spec() {
    let (spec, _) = load("11-never-read.yml");
    let task = &spec.tasks[0];
    assert_eq!((task.model.as_deref(), task.escalate_to.as_deref()), (Some("sonnet"), Some("architect")));
    assert_eq!((task.gates.as_slice(), task.on_exhausted), (&["npm test".to_owned()][..], OnExhausted::Stop));
    let limits = (task.gate_timeout.as_secs(), task.built_in_gates.gate_timeout.as_secs());
    assert_eq!((limits, task.built_in_gates.secret_scan), ((60, 30), Switch::Off));
    let (spec, _) = load("11-never-read-task.yml");
    assert_eq!(spec.tasks[0].model.as_deref(), Some("sonnet"));
    assert!(spec.tasks[0].built_in_gates.blast_radius.is_some());
}

#[test]
fn numbers_are_taken_as_texts_where_people_read_them() {
    let (spec, _) = load("13-texts.yml");
    let shown: Vec<(&str, &str)> =
        spec.tasks.iter().map(|task| (task.agent.as_str(), task.description.as_str())).collect();
    assert_eq!(shown, [("5", "5"), ("developer", "b"), ("developer", "c")]);
}
