//! What is kept of convoys that have ended, and what goes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::agent::AgentOutcome;
use convoy_core::clock::{Clock, SystemClock};
use convoy_core::engine::{
    Engine, EngineBuilder, KeepReason, PruneOptions, PruneReport, Retention, RunEvent,
};
use convoy_core::error::ErrorKind;
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::types::{BoxFuture, ConvoyId, Failure, FailureKind, TaskId, Timestamp};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The machine's clock, so many days later.
#[derive(Debug)]
struct Later(u32);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(DAY * self.0)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

/// Writes the file that is the last word of the prompt. `bad…` and `slow…` fail then, `hang…` does not end.
fn agent() -> Arc<Inline> {
    Inline::waiting(|request| async move {
        let name = last_word(&request.prompt).to_owned();
        write(&request.cwd, &name, "made\n");
        if name.starts_with("hang") {
            std::future::pending::<()>().await;
        }
        if name.starts_with("slow") {
            return AgentOutcome::Failed(Failure::new(FailureKind::Timeout, "too slow"));
        }
        if name.starts_with("bad") {
            return AgentOutcome::Failed(Failure::new(FailureKind::Error, "no"));
        }
        AgentOutcome::Succeeded
    })
}

fn spec(tasks: &str) -> String {
    format!("name: n\nversion: 1\nadapter: inline\ntasks:\n{tasks}")
}

fn builder(repo: &ScratchRepo, days: u32) -> EngineBuilder {
    engine(repo).adapter(agent()).clock(Arc::new(Later(days)))
}

async fn open(repo: &ScratchRepo, days: u32) -> Engine {
    builder(repo, days).build().await.expect("an engine")
}

/// Runs one convoy to its end, so many days from now.
async fn convoy(repo: &ScratchRepo, days: u32, tasks: &str) -> ConvoyId {
    let engine = open(repo, days).await;
    let run = engine.start(&spec(tasks), RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome");
    engine.shutdown().await;
    run.id().clone()
}

fn one(file: &str) -> String {
    format!("- {{id: a, prompt: make {file}}}\n")
}

fn older_than(days: u32) -> PruneOptions {
    PruneOptions { older_than: Some(DAY * days), ..PruneOptions::default() }
}

fn all() -> PruneOptions {
    PruneOptions { all: true, ..PruneOptions::default() }
}

fn named(convoy: &ConvoyId) -> PruneOptions {
    PruneOptions { convoys: Some(vec![convoy.clone()]), ..PruneOptions::default() }
}

fn gone(report: &PruneReport) -> Vec<&ConvoyId> {
    report.pruned.iter().map(|one| &one.convoy_id).collect()
}

fn kept(report: &PruneReport) -> Vec<(&ConvoyId, KeepReason)> {
    report.kept.iter().map(|one| (&one.convoy_id, one.reason)).collect()
}

#[tokio::test]
async fn what_has_ended_long_enough_ago_goes_whole_and_the_rest_stays_whole() {
    let repo = ScratchRepo::new();
    let old =
        convoy(&repo, 0, &(one("old") + "- {id: b, prompt: make bad, max_retries: 0, on_exhausted: skip}\n"))
            .await;
    let young = convoy(&repo, 10, &one("young")).await;
    let before = (repo.oid("main"), repo.files("main"));
    let engine = open(&repo, 20).await;
    for (days, dry_run) in [(21, false), (15, true)] {
        let report = engine.prune(PruneOptions { dry_run, ..older_than(days) }).await.expect("a report");
        assert_eq!(gone(&report), if dry_run { vec![&old] } else { Vec::new() });
        assert_eq!(engine.list().await.expect("lists").len(), 2, "nothing was done");
    }
    let would = engine.prune(PruneOptions { dry_run: true, ..older_than(15) }).await.expect("a report");
    let report = engine.prune(older_than(15)).await.expect("a report");
    assert_eq!((gone(&report), kept(&report)), (vec![&old], Vec::new()));
    assert_eq!(would.pruned, report.pruned, "what was told before is what was done");
    let [pruned] = &report.pruned[..] else { panic!("{report:?}") };
    assert!(pruned.refs >= 3 && pruned.files > 2 && pruned.bytes > 0 && pruned.events > 5, "{pruned:?}");
    assert!(report.database_bytes > 0);

    let state = repo.root().join(".convoy");
    let refs: Vec<String> = repo.refs("refs/convoy/").into_keys().collect();
    assert!(refs.iter().all(|name| name.starts_with(&format!("refs/convoy/{young}/"))), "{refs:?}");
    assert!(!state.join("logs").join(old.as_str()).exists());
    for file in ["convoy-events.ndjson", "convoys.ndjson"] {
        let text = fs::read_to_string(state.join("logs").join(file)).expect("reads");
        assert!(!text.contains(old.as_str()) && text.contains(young.as_str()), "{file}: {text}");
    }
    let task: TaskId = "a".parse().expect("an id");
    for error in [
        engine.status(&old).await.map(drop).expect_err("it is gone"),
        engine.attempt(&old, &task, None).await.map(drop).expect_err("it is gone"),
        engine.retry(&old, &[]).await.map(drop).expect_err("it is gone"),
        engine.export(&old, &repo.beside("file")).await.map(drop).expect_err("it is gone"),
        engine.prune(named(&old)).await.map(drop).expect_err("it is gone"),
    ] {
        assert!(
            error.kind() == ErrorKind::NotFound && error.to_string().contains("was pruned at"),
            "{error}"
        );
    }
    engine.attempt(&young, &task, None).await.expect("is whole");
    let retried = engine.retry(&young, std::slice::from_ref(&task)).await.expect("can be retried");
    retried.wait().await.expect("an outcome");
    assert_eq!((repo.oid("main"), repo.files("main")), before);
    repo.assert_sound_and_clean();
    engine.shutdown().await;
    convoy(&repo, 30, &one("more")).await;
}

/// A convoy that ends or not, and under which options it goes.
struct Case {
    name: &'static str,
    tasks: &'static str,
    /// By age, all, named, and each with `unpublished`.
    by_age: Option<KeepReason>,
    all: Option<KeepReason>,
    forced: Option<KeepReason>,
}

/// Which commit of a user or of nobody is where the convoy is to publish.
const IN_THE_WAY: &str = "local change";

const CASES: [Case; 5] = [
    Case { name: "done", tasks: "- {id: a, prompt: make fine}\n", by_age: None, all: None, forced: None },
    Case {
        name: "failed",
        tasks: "- {id: a, prompt: make bad, max_retries: 0, on_exhausted: skip}\n",
        by_age: None,
        all: None,
        forced: None,
    },
    Case {
        name: "with a dead letter",
        tasks: "- {id: a, prompt: make bad, max_retries: 0}\n",
        by_age: Some(KeepReason::OpenForPeople),
        all: None,
        forced: None,
    },
    Case {
        name: "unpublished",
        tasks: "- {id: a, prompt: make README.md}\n",
        by_age: Some(KeepReason::Unpublished),
        all: Some(KeepReason::Unpublished),
        forced: None,
    },
    Case {
        name: "interrupted",
        tasks: "- {id: a, prompt: make fine}\n- {id: b, prompt: make hang}\n",
        // It has not ended, so it is not asked for.
        by_age: None,
        all: Some(KeepReason::Unfinished),
        forced: Some(KeepReason::Unfinished),
    },
];

#[tokio::test]
async fn what_somebody_may_still_need_is_kept_unless_that_is_said() {
    for case in CASES {
        let repo = ScratchRepo::new();
        if case.name == "unpublished" {
            repo.write("README.md", IN_THE_WAY);
        }
        let engine = open(&repo, 0).await;
        let run = engine.start(&spec(case.tasks), RunOptions::default()).await.expect("started");
        if case.name == "interrupted" {
            let mut events = run.subscribe(0);
            while let Some(event) = events.next().await.expect("an event") {
                let RunEvent::Recorded(record) = event else { continue };
                let name = record.event.type_name();
                if name == "branch_published" {
                    break;
                }
            }
            let running = engine.prune(all()).await.expect("a report");
            assert_eq!(kept(&running), [(run.id(), KeepReason::Running)]);
            let other = open(&repo, 9).await;
            let theirs = other.prune(named(run.id())).await.expect("a report");
            assert_eq!(kept(&theirs), [(run.id(), KeepReason::Running)], "of another engine");
            other.shutdown().await;
        } else {
            run.wait().await.expect("an outcome");
        }
        engine.shutdown().await;
        let refs = repo.refs("refs/convoy/");
        let engine = open(&repo, 9).await;
        let forced = |options| PruneOptions { unpublished: true, ..options };
        let id = run.id();
        let tries = [
            (PruneOptions { dry_run: true, ..older_than(1) }, case.by_age),
            (PruneOptions { dry_run: true, ..forced(all()) }, case.forced),
            (older_than(1), case.by_age),
            (all(), case.all),
            (named(id), case.all),
            (forced(named(id)), case.forced),
        ];
        for (options, reason) in tries {
            let report = engine.prune(options.clone()).await.expect("a report");
            let expected: Vec<_> = reason.into_iter().map(|reason| (id, reason)).collect();
            assert_eq!(kept(&report), expected, "{}: {options:?}: {report:?}", case.name);
            let goes = reason.is_none() && case.name != "interrupted";
            assert_eq!(gone(&report).len(), usize::from(goes), "{}: {options:?}", case.name);
            if goes && !options.dry_run {
                assert_eq!(repo.refs("refs/convoy/").len(), 0, "{}", case.name);
                let lost = report.pruned[0].unpublished.as_ref().map(ToString::to_string);
                let tip = refs.get(&format!("refs/convoy/{id}/integration")).cloned();
                assert_eq!(lost, tip.filter(|_| case.name == "unpublished"), "{}", case.name);
                break;
            }
            assert_eq!(repo.refs("refs/convoy/"), refs, "{}: {options:?}", case.name);
            engine.status(id).await.expect("is whole");
        }
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn work_that_a_person_brought_onto_any_branch_is_published_enough() {
    let repo = ScratchRepo::new();
    repo.write("README.md", IN_THE_WAY);
    let id = convoy(&repo, 0, &one("README.md")).await;
    let engine = open(&repo, 9).await;
    assert_eq!(kept(&engine.prune(older_than(1)).await.expect("a report")), [(&id, KeepReason::Unpublished)]);
    repo.git(["update-ref", "refs/heads/elsewhere", &format!("refs/convoy/{id}/integration")]);
    assert_eq!(gone(&engine.prune(older_than(1)).await.expect("a report")), [&id]);
    assert_eq!(repo.tree("elsewhere")["README.md"], "made");
    assert_eq!(repo.read("README.md"), IN_THE_WAY);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_call_that_does_not_say_what_it_means_is_refused_and_changes_nothing() {
    let repo = ScratchRepo::new();
    let id = convoy(&repo, 0, &one("file")).await;
    let engine = open(&repo, 9).await;
    let nobody: ConvoyId = "convoy-00000000000000000000000000".parse().expect("an id");
    let cases = [
        (PruneOptions::default(), ErrorKind::InvalidArgument, "nothing says which"),
        (
            PruneOptions { unpublished: true, ..PruneOptions::default() },
            ErrorKind::InvalidArgument,
            "nothing says",
        ),
        (PruneOptions { all: true, ..named(&id) }, ErrorKind::InvalidArgument, "give one of them"),
        (
            PruneOptions { convoys: Some(vec![id.clone(), nobody.clone()]), ..PruneOptions::default() },
            ErrorKind::NotFound,
            "no convoy",
        ),
    ];
    for (options, kind, text) in cases {
        let error = engine.prune(options.clone()).await.expect_err("refused");
        assert!(error.kind() == kind && error.to_string().contains(text), "{options:?}: {error}");
    }
    let none = PruneOptions { convoys: Some(Vec::new()), ..older_than(0) };
    assert!(engine.prune(none).await.expect("a report").pruned.is_empty());
    engine.status(&id).await.expect("is whole");
    for text in [r#"{"older": 1}"#, r#"{"older_than_ms": -1}"#, r#"{"convoys": ["x"]}"#, r#"{"all": "yes"}"#]
    {
        serde_json::from_str::<PruneOptions>(text).expect_err(text);
    }
    let read: PruneOptions = serde_json::from_str(r#"{"older_than_ms": 86400000}"#).expect("reads");
    assert_eq!(read, older_than(1));
    engine.shutdown().await;
    let empty = ScratchRepo::new();
    let engine = open(&empty, 0).await;
    assert_eq!(engine.prune(all()).await.expect("a report"), PruneReport::default());
    assert!(!empty.root().join(".convoy").exists(), "nothing was made");
    engine.shutdown().await;
}

#[tokio::test]
async fn retention_keeps_to_age_and_number_when_an_engine_is_built_and_when_a_convoy_ends() {
    let by_age = Retention { keep_for: Some(DAY * 5), ..Retention::default() };
    let by_number = Retention { keep_convoys: Some(1), ..Retention::default() };
    // Of three convoys that ended on the days 0, 3 and 8, on day 9; and after one more.
    let cases = [(Retention::default(), 3, 4), (by_age, 1, 2), (by_number, 1, 1)];
    for (retention, at_start, at_end) in cases {
        let repo = ScratchRepo::new();
        for (day, file) in [(0, "one"), (3, "two"), (8, "three")] {
            convoy(&repo, day, &one(file)).await;
        }
        let looks = builder(&repo, 9).retention(retention.clone()).open_existing().await.expect("opens");
        let looks = looks.expect("there are convoys");
        assert_eq!(looks.list().await.expect("lists").len(), 3, "who only looks changes nothing");
        assert_eq!(looks.last_retention(), None);
        looks.shutdown().await;

        let engine = builder(&repo, 9).retention(retention.clone()).build().await.expect("an engine");
        assert_eq!(engine.list().await.expect("lists").len(), at_start, "{retention:?}");
        let run = engine.start(&spec(&one("four")), RunOptions::default()).await.expect("started");
        run.wait().await.expect("an outcome");
        let left = engine.list().await.expect("lists");
        assert_eq!((left.len(), &left[0].id), (at_end, run.id()), "{retention:?}");
        let report = engine.last_retention();
        assert_eq!(report.is_some(), retention != Retention::default());
        assert!(report.is_none_or(|report| report.kept.is_empty() && report.pruned.len() == at_start - (at_end - 1)));
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn retention_never_takes_what_was_not_said_to_be_lost() {
    let repo = ScratchRepo::new();
    repo.write("README.md", IN_THE_WAY);
    let unpublished = convoy(&repo, 0, &one("README.md")).await;
    let letter = convoy(&repo, 0, "- {id: a, prompt: make bad, max_retries: 0}\n").await;
    let rules = Retention { keep_for: Some(DAY), keep_convoys: Some(0), logs_quota: None };
    let engine = builder(&repo, 9).retention(rules).build().await.expect("an engine");
    let report = engine.last_retention().expect("it was applied");
    let reasons: BTreeMap<_, _> =
        report.kept.iter().map(|kept| (kept.convoy_id.clone(), kept.reason)).collect();
    let expected =
        BTreeMap::from([(unpublished, KeepReason::Unpublished), (letter, KeepReason::OpenForPeople)]);
    assert!(reasons == expected && report.pruned.is_empty(), "{report:?}");
    engine.shutdown().await;
}

#[tokio::test]
async fn files_that_are_in_no_commit_and_work_whose_ref_is_gone_are_kept() {
    let repo = ScratchRepo::new();
    let id = convoy(&repo, 0, &one("a")).await;
    let aside = repo.root().join(".convoy/worktrees").join(id.as_str()).join("0-a.kept-1");
    fs::create_dir_all(&aside).expect("made");
    let engine = open(&repo, 9).await;
    for options in [older_than(1), PruneOptions { all: true, ..PruneOptions::default() }] {
        let report = engine.prune(options).await.expect("a report");
        assert_eq!(kept(&report), [(&id, KeepReason::OpenForPeople)]);
        assert!(report.kept[0].detail.contains("0-a.kept-1") && aside.exists(), "{report:?}");
    }
    assert_eq!(gone(&engine.prune(named(&id)).await.expect("a report")), [&id]);
    engine.shutdown().await;
    repo.write("README.md", IN_THE_WAY);
    let id = convoy(&repo, 0, &one("README.md")).await;
    repo.git(["update-ref", "-d", &format!("refs/convoy/{id}/integration")]);
    let engine = open(&repo, 9).await;
    assert_eq!(kept(&engine.prune(older_than(1)).await.expect("a report")), [(&id, KeepReason::Unpublished)]);
    engine.shutdown().await;
}

fn size(folder: &std::path::Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        about => about.map_or(0, |about| about.len()),
    };
    fs::read_dir(folder).into_iter().flatten().flatten().map(of).sum()
}

#[tokio::test]
async fn logs_over_their_quota_go_with_the_oldest_ended_convoy_and_nothing_else_does() {
    let repo = ScratchRepo::new();
    let mut ids = Vec::new();
    for (day, file) in [(0, "one"), (3, "two"), (8, "three")] {
        ids.push(convoy(&repo, day, &one(file)).await);
    }
    let logs = repo.root().join(".convoy/logs");
    let stuff = "x".repeat(100_000);
    for id in &ids {
        fs::write(logs.join(id.as_str()).join("0-a/attempt-1.log"), &stuff).expect("writes");
    }
    let refs = repo.refs("refs/convoy/");
    let rules = Retention { logs_quota: Some(150_000), ..Retention::default() };
    let engine = builder(&repo, 9).retention(rules.clone()).build().await.expect("an engine");
    let report = engine.last_retention().expect("it was applied");
    let removed: Vec<_> = report.logs_removed.iter().map(|logs| &logs.convoy_id).collect();
    assert_eq!(removed, [&ids[0], &ids[1]], "{report:?}");
    assert!(report.logs_removed.iter().all(|logs| logs.bytes >= 100_000) && report.pruned.is_empty());
    let left: u64 = ids.iter().map(|id| size(&logs.join(id.as_str()))).sum();
    assert!((100_000..=150_000).contains(&left), "{left}");
    assert_eq!(repo.refs("refs/convoy/"), refs);
    assert!(logs.join(ids[0].as_str()).join("ignored.txt").exists(), "a retry goes by it");
    let task: TaskId = "a".parse().expect("an id");
    for (id, is_gone) in [(&ids[0], true), (&ids[2], false)] {
        let shown = engine.attempt(id, &task, None).await.expect("is whole");
        let told = shown.logs_removed.is_some_and(|text| text.contains("removed") && text.contains("quota"));
        assert_eq!((told, shown.log.is_none(), shown.work.is_some()), (is_gone, is_gone, true));
    }
    engine.shutdown().await;
    // Once is enough, and a retry has logs again.
    let engine = builder(&repo, 9).retention(rules).build().await.expect("an engine");
    assert!(engine.last_retention().expect("it was applied").logs_removed.is_empty());
    let run = engine.retry(&ids[0], std::slice::from_ref(&task)).await.expect("retried");
    run.wait().await.expect("an outcome");
    let shown = engine.attempt(&ids[0], &task, None).await.expect("is whole");
    assert!(shown.prompt.is_some() && shown.logs_removed.is_none());
    engine.shutdown().await;
}

/// How an attempt ends without landing, and what `show` calls that.
const ENDS: [(&str, &str, &str); 7] = [
    ("failed", "max_retries: 0", "bad"),
    ("failed and tried again", "max_retries: 1", "bad"),
    ("gate-failed", "max_retries: 0, gates: [\"false\"]", "fine"),
    ("hook-failed", "max_retries: 0, hooks: [{type: command, command: \"false\", on: post_task}]", "fine"),
    ("timed-out", "max_retries: 0", "slow"),
    ("cancelled", "max_retries: 0", "hang"),
    ("interrupted", "max_retries: 0", "hang"),
];

#[tokio::test]
async fn the_work_of_every_attempt_that_did_not_land_is_shown_and_reachable_until_it_is_pruned() {
    for (end, options, file) in ENDS {
        let repo = ScratchRepo::new();
        let engine = open(&repo, 0).await;
        let tasks = format!("- {{id: a, prompt: make {file}, {options}}}\n");
        let run = engine.start(&spec(&tasks), RunOptions::default()).await.expect("started");
        if matches!(end, "cancelled" | "interrupted") {
            // Started is told before the agent has written anything.
            let path = repo.root().join(".convoy/worktrees").join(run.id().as_str()).join("0-a").join(file);
            let written = async {
                while !path.exists() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(900), written).await.expect("written");
        }
        if end == "cancelled" {
            engine.request(run.id(), RequestKind::Cancel).await.expect("asked");
        }
        if end == "interrupted" {
            engine.shutdown().await;
        }
        run.wait().await.expect("an outcome");
        engine.shutdown().await;
        let succeeds = Inline::new(|_| AgentOutcome::Succeeded);
        let engine = builder(&repo, 9).adapter(succeeds).build().await.expect("an engine");
        let task: TaskId = "a".parse().expect("an id");
        if end == "interrupted" {
            let report = engine.prune(all()).await.expect("a report");
            assert_eq!(kept(&report), [(run.id(), KeepReason::Unfinished)]);
            assert!(
                repo.root().join(".convoy/worktrees").join(run.id().as_str()).join("0-a").join(file).exists()
            );
            engine.resume(Some(run.id())).await.expect("resumed").wait().await.expect("an outcome");
        }
        let attempts = engine.attempt(run.id(), &task, None).await.expect("shown").attempts;
        assert_eq!(
            attempts,
            if matches!(end, "failed and tried again" | "interrupted") { 2 } else { 1 },
            "{end}"
        );
        // One that goes on after an interrupt has nothing to change.
        for number in 1..=if end == "interrupted" { 1 } else { attempts } {
            let number = convoy_core::types::AttemptNo(number);
            let shown = engine.attempt(run.id(), &task, Some(number)).await.expect("shown");
            let work = shown.work.unwrap_or_else(|| panic!("{end}: no work"));
            assert_eq!(work.kept_ref, format!("refs/convoy/{}/0-a/attempt-{number}", run.id()), "{end}");
            assert_eq!(repo.oid(&work.kept_ref), work.commit.to_string(), "{end}");
            assert_eq!(repo.tree(&work.kept_ref).get(file).map(String::as_str), Some("made"), "{end}");
            let command = shown.checkout.unwrap_or_else(|| panic!("{end}: no command"));
            assert_eq!(
                (command[0].as_str(), command.last()),
                ("git", Some(&work.commit.to_string())),
                "{end}"
            );
        }
        let report = engine.prune(all()).await.expect("a report");
        assert_eq!(gone(&report), [run.id()], "{end}: {report:?}");
        assert!(repo.refs("refs/convoy/").is_empty(), "{end}");
        engine.shutdown().await;
    }
}
