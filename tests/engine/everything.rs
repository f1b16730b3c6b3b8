//! One convoy file with every field that works, and everything that is recorded of it.

use std::collections::BTreeSet;
use std::fs;

use convoy_core::attempt::{Answer, PromptPart};
use convoy_core::engine::{Ended, RunEvent};
use convoy_core::event::{ConvoyEvent, Event, EventRecord, RequestKind, RunOptions};
use convoy_core::spec::json_schema;
use convoy_core::types::TaskId;
use convoy_tests::{ScratchRepo, engine, host_env};
use regex::{Captures, Regex};
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");

const SPEC: &str = include_str!("everything.convoy.yml");

/// Its events.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/engine/everything.events");

/// Notes the fields that work, as `record.field`, from a place of the schema on. Returns whether there is any.
fn works(schema: &Value, place: &Value, name: &str, all: &mut BTreeSet<String>) -> bool {
    if let Some(target) = place["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        return works(schema, &schema["$defs"][target], target, all);
    }
    if let Some(fields) = place["properties"].as_object() {
        let mut any = false;
        for (field, of) in fields {
            let field = format!("{name}.{field}");
            let built = !of["description"].as_str().unwrap_or_default().contains("Not supported yet");
            if built && (all.contains(&field) || works(schema, of, name, all)) {
                all.insert(field);
                any = true;
            }
        }
        return any;
    }
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|kind| place[kind].as_array()).flatten();
    let inner =
        [&place["items"], &place["additionalProperties"]].into_iter().filter(|inner| inner.is_object());
    // All of them are looked at; a plain value is no record that could have nothing that works.
    let found: Vec<bool> = alternatives.chain(inner).map(|inner| works(schema, inner, name, all)).collect();
    found.is_empty() || found.contains(&true)
}

/// Notes the fields that a value uses.
fn walk(schema: &Value, place: &Value, name: &str, value: &Value, used: &mut BTreeSet<String>) {
    if let Some(target) = place["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        return walk(schema, &schema["$defs"][target], target, value, used);
    }
    for kind in ["anyOf", "oneOf"] {
        for one in place[kind].as_array().into_iter().flatten() {
            walk(schema, one, name, value, used);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        walk(schema, &place["items"], name, item, used);
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match place["properties"].get(key) {
            Some(field) => {
                used.insert(format!("{name}.{key}"));
                walk(schema, field, name, item, used);
            }
            None => walk(schema, &place["additionalProperties"], name, item, used),
        }
    }
}

#[test]
fn the_file_has_every_field_that_works() {
    let schema = json_schema();
    let spec: Value = serde_yaml::from_str(SPEC).expect("YAML");
    let mut used = BTreeSet::new();
    walk(&schema, &schema, "", &spec, &mut used);
    let mut all = BTreeSet::new();
    works(&schema, &schema, "", &mut all);
    assert!(all.len() > 100 && all.contains("exitCode.ne"), "{all:?}");
    let missing: Vec<String> = all.difference(&used).cloned().collect();
    assert_eq!(missing, [""; 0], "add them to everything.convoy.yml, and look at what they record");
}

/// The text without what differs from run to run.
fn stable(text: &str, repo: &ScratchRepo) -> String {
    let mut text = text.replace(AGENT, "AGENT").replace(&*repo.beside("").to_string_lossy(), "BESIDE/");
    for (pattern, instead) in [
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "TIME"),
        (r"convoy-[0-9a-z]{26}", "CONVOY"),
        (r"(dlq|dispute)-[0-9a-z]{26}", "$1-CONVOY"),
        (r"\b[0-9a-f]{40}\b", "OID"),
        (r"\b[0-9a-f]{64}\b", "DIGEST"),
        (r"session-[0-9]+", "SESSION"),
        (
            r#"("(?:run|duration_ms|elapsed_ms|pid|start_time|prompt_bytes|slot|wall_time_ms|_event_id)"):[0-9]+"#,
            "$1:0",
        ),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        text = pattern
            .replace_all(&text, |found: &Captures<'_>| {
                let mut out = String::new();
                found.expand(instead, &mut out);
                out
            })
            .into_owned();
    }
    text
}

/// The task that an event is about. Each run of `merge.verify` judges the work of one here.
fn task_of(record: &EventRecord, events: &[EventRecord]) -> Option<String> {
    let started = |number: u32| {
        events.iter().find_map(|record| match &record.event {
            Event::Convoy(ConvoyEvent::VerifyStarted(run)) if run.run == number => Some(run),
            _ => None,
        })
    };
    let number = match &record.event {
        Event::Convoy(ConvoyEvent::VerifyStarted(run)) => run.run,
        Event::Convoy(ConvoyEvent::VerifyResult(result)) => result.run,
        _ => return record.task_id().map(TaskId::to_string),
    };
    let tasks = &started(number).expect("a run begins before it ends").tasks;
    assert_eq!(tasks.len(), 1, "with one slot and no batches");
    Some(tasks[0].to_string())
}

/// The events of the convoy and of each task, in their order. Those of different tasks have none: agents, checks and
/// landings go on side by side.
fn by_task(events: &[EventRecord]) -> Vec<&EventRecord> {
    let mut sorted: Vec<&EventRecord> = events.iter().collect();
    sorted.sort_by_cached_key(|record| task_of(record, events));
    // How often the branch is moved depends on what lands meanwhile; the last time is after all of it.
    let published = |record: &EventRecord| record.event.type_name().starts_with("branch_publish");
    let first_of_last =
        events.iter().rposition(|record| record.event.type_name() == "branch_publish_started");
    let last = first_of_last.map_or(0, |at| events[at].seq);
    sorted.retain(|record| !published(record) || record.seq >= last);
    sorted
}

#[tokio::test]
async fn every_field_that_works_is_recorded_as_it_was_before() {
    let repo = ScratchRepo::new();
    fs::write(repo.root().join("local.env"), "LOCAL=1\n").expect("written");
    repo.write(".gitignore", "local.env\n");
    repo.commit("Ignore what is local");
    let mut env = host_env(&repo);
    env.insert("HOST_VALUE".to_owned(), "only the host knows".to_owned());
    let builder = engine(&repo)
        .env(env)
        .actor("tester")
        .gate("tidy", |_| async { Answer::Pass })
        .prompt("house", |_| async { Ok(PromptPart::Data("Be kind.".to_owned())) })
        .hook("note", |_| async { Answer::Pass });
    let engine = builder.build().await.expect("an engine");
    let spec = SPEC.replace("AGENT", AGENT).replace("COUNT", &repo.beside("count").to_string_lossy());
    let run = engine.start(&spec, RunOptions::default()).await.expect("started");
    let mut watcher = run.subscribe(0);
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        if let RunEvent::Recorded(record) = event
            && record.event.type_name() == "task_awaiting_approval"
        {
            let task = record.task_id().expect("of a task").clone();
            run.request(RequestKind::Approve { task, tree: None, reason: "seen".to_owned() }).expect("asked");
        }
    }
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!(outcome.ended, Ended::Finished, "{outcome:#?}");
    let events = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    let lines = by_task(&events).into_iter().map(|record| record.to_flat_json().to_string() + "\n");
    let found = stable(&lines.collect::<String>(), &repo);
    engine.shutdown().await;
    let made = concat!(env!("CARGO_TARGET_TMPDIR"), "/everything.events");
    fs::write(made, &found).expect("written");
    let statuses: Vec<String> =
        outcome.view.tasks.iter().map(|task| format!("{}={}", task.id, task.status.as_str())).collect();
    assert_eq!(
        statuses,
        [
            "whole=done",
            "steps=done",
            "waits=done",
            "retried=done",
            "fails=failed",
            "skipped=skipped",
            "convoy-guard-1=done"
        ]
    );
    let wanted = fs::read_to_string(GOLDEN).expect("the golden file");
    for (n, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(found, wanted, "line {}; if that is right: cp {made} {GOLDEN}", n + 1);
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "if that is right: cp {made} {GOLDEN}");
}
