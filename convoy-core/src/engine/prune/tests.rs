//! A crash after every step, and whoever meddles in between.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::super::host::Parts;
use super::super::{Engine, EngineBuilder};
use super::choose::Conditions;
use super::steps::{Pruner, Step, begin};
use super::{KeepReason, PruneOptions, PrunedConvoy, Retention};
use crate::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use crate::error::ErrorKind;
use crate::event::RunOptions;
use crate::git::testing::Scratch;
use crate::store::{ConvoySummary, Holder};
use crate::types::{BoxFuture, ConvoyId, Failure, FailureKind};

/// Writes a file, and fails where it is asked to.
#[derive(Debug)]
struct Writer;

impl AgentAdapter for Writer {
    fn name(&self) -> &str {
        "writer"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            let name = request.prompt.split_whitespace().next_back().unwrap_or("file").to_owned();
            std::fs::write(request.cwd.join(&name), "made\n").expect("written");
            sink.output(crate::process::Stream::Stdout, b"I made it\n");
            AgentReport::ended(match name.as_str() {
                "bad" => AgentOutcome::Failed(Failure::new(FailureKind::Error, "no")),
                _ => AgentOutcome::Succeeded,
            })
        })
    }
}

pub(super) struct Place {
    scratch: Scratch,
}

impl Place {
    pub(super) async fn new() -> Self {
        let scratch = Scratch::new().await;
        scratch.commit("begin").await;
        Self { scratch }
    }

    pub(super) fn builder(&self) -> EngineBuilder {
        let env: BTreeMap<String, String> = crate::git::testing::options().env;
        Engine::builder(&self.scratch.root).env(env).adapter(Arc::new(Writer))
    }

    async fn engine(&self) -> Engine {
        self.builder().build().await.expect("an engine")
    }

    /// Runs a convoy to its end: one task is done, one has failed.
    async fn convoy(&self, engine: &Engine, file: &str) -> ConvoyId {
        let spec = format!(
            "name: n\nversion: 1\nadapter: writer\ntasks:\n- {{id: a, prompt: make {file}}}\n\
             - {{id: b, prompt: make bad, max_retries: 0, on_exhausted: skip}}\n"
        );
        let run = engine.start(&spec, RunOptions::default()).await.expect("started");
        run.wait().await.expect("an outcome");
        run.id().clone()
    }

    fn state(&self) -> PathBuf {
        self.scratch.root.join(".convoy")
    }

    async fn refs(&self, convoy: &ConvoyId) -> usize {
        self.scratch.repo.list_refs(&format!("refs/convoy/{convoy}")).await.expect("lists").len()
    }

    /// Where anything of a convoy is left: refs, folders, lines.
    async fn left(&self, convoy: &ConvoyId) -> Vec<String> {
        let mut left: Vec<String> = ["logs", "worktrees", "inject"]
            .iter()
            .filter(|folder| self.state().join(folder).join(convoy.as_str()).symlink_metadata().is_ok())
            .map(|folder| (*folder).to_owned())
            .collect();
        if self.refs(convoy).await > 0 {
            left.push("refs".to_owned());
        }
        for file in ["convoy-events.ndjson", "convoys.ndjson"] {
            let text = std::fs::read_to_string(self.state().join("logs").join(file)).unwrap_or_default();
            if text.contains(convoy.as_str()) {
                left.push(file.to_owned());
            }
        }
        left
    }

    /// The other convoy, and everything of the user, is as before.
    async fn check(&self, engine: &Engine, other: &ConvoyId) {
        assert!(self.refs(other).await > 0);
        engine.status(other).await.expect("is whole");
        let left = self.left(other).await;
        assert!(left.contains(&"logs".to_owned()) && left.contains(&"convoys.ndjson".to_owned()), "{left:?}");
        self.scratch.git(&["fsck", "--strict", "--no-dangling"]).await;
        let tracked = self.scratch.git(&["ls-files"]).await;
        assert!(tracked.contains("one") && tracked.contains("two"), "{tracked}");
        assert_eq!(self.scratch.git(&["status", "--porcelain"]).await, "");
    }
}

/// Who was killed.
fn dead() -> Holder {
    Holder { engine: "dead".to_owned(), pid: 1, start_time: 1, boot: "another boot".to_owned() }
}

fn of(line: &ConvoySummary) -> PrunedConvoy {
    PrunedConvoy {
        convoy_id: line.id.clone(),
        name: Some(line.name.clone()),
        status: Some(line.status),
        finished_at: line.finished_at,
        continued: false,
        refs: 0,
        files: 0,
        bytes: 0,
        events: 0,
        unpublished: None,
        left: Vec::new(),
    }
}

const ANY: Conditions =
    Conditions { open: true, aside: true, unpublished: false, changed: false, dry_run: false };

/// One who prunes, and is going to be killed.
async fn doomed<'a>(engine: &Engine, parts: &'a Parts, convoy: &ConvoyId) -> Pruner<'a> {
    let line =
        engine.list().await.expect("lists").into_iter().find(|line| line.id == *convoy).expect("listed");
    begin(parts, of(&line), ANY, dead()).await.expect("begun").expect("it may go")
}

fn all() -> PruneOptions {
    PruneOptions { all: true, ..PruneOptions::default() }
}

#[tokio::test]
async fn whoever_is_killed_after_any_step_the_next_one_finishes_and_until_then_nobody_uses_the_convoy() {
    // Also after a step that was begun again.
    for (killed_after, again) in (0..=Step::ALL.len()).flat_map(|n| [(n, false), (n, true)]) {
        let place = Place::new().await;
        let engine = place.engine().await;
        let gone = place.convoy(&engine, "one").await;
        let stays = place.convoy(&engine, "two").await;
        let parts = engine.parts().clone();
        let mut pruner = doomed(&engine, &parts, &gone).await;
        for step in &Step::ALL[..killed_after] {
            pruner.step(*step).await.expect("done");
            if again && *step != Step::Rows {
                pruner.step(*step).await.expect("done again");
            }
        }
        drop(pruner);
        let is_gone = killed_after == Step::ALL.len();
        let kind = if is_gone { ErrorKind::NotFound } else { ErrorKind::State };
        let refused = [
            engine.resume(Some(&gone)).await.map(drop),
            engine.retry(&gone, &[]).await.map(drop),
            engine.publish(&gone).await.map(drop),
            engine.status(&gone).await.map(drop),
            engine.request(&gone, crate::event::RequestKind::Cancel).await.map(drop),
            engine.attempt(&gone, &"a".parse().expect("an id"), None).await.map(drop),
        ];
        for refused in refused {
            let error = refused.expect_err("it is as good as gone");
            assert_eq!(error.kind(), kind, "after {killed_after}: {error}");
            assert!(error.to_string().contains("pruned"), "{error}");
        }
        // By another engine, asked for another convoy.
        let other = place.engine().await;
        let asked = PruneOptions { older_than: Some(std::time::Duration::MAX), ..PruneOptions::default() };
        let report = other.prune(asked.clone()).await.expect("pruned");
        let continued: Vec<_> = report.pruned.iter().map(|one| (&one.convoy_id, one.continued)).collect();
        assert_eq!(continued, if is_gone { Vec::new() } else { vec![(&gone, true)] }, "after {killed_after}");
        assert!(report.kept.is_empty(), "{report:?}");
        assert_eq!(place.left(&gone).await, Vec::<String>::new(), "after {killed_after}");
        assert!(other.prune(asked).await.expect("nothing to do").pruned.is_empty());
        place.check(&other, &stays).await;
        engine.shutdown().await;
        other.shutdown().await;
    }
}

/// Asks for none, and finishes what was begun.
fn all_old() -> PruneOptions {
    PruneOptions { older_than: Some(std::time::Duration::MAX), ..PruneOptions::default() }
}

fn named(convoy: &ConvoyId) -> PruneOptions {
    PruneOptions { convoys: Some(vec![convoy.clone()]), ..PruneOptions::default() }
}

#[tokio::test]
async fn a_ref_that_somebody_changes_or_makes_meanwhile_stays_until_its_convoy_is_named() {
    for (name, again) in
        [("integration", false), ("integration", true), ("0-a/late", false), ("0-a/late", true)]
    {
        let place = Place::new().await;
        let engine = place.engine().await;
        let (gone, stays) = (place.convoy(&engine, "one").await, place.convoy(&engine, "two").await);
        let parts = engine.parts().clone();
        let mut pruner = doomed(&engine, &parts, &gone).await;
        let name = format!("refs/convoy/{gone}/{name}");
        place.scratch.git(&["update-ref", &name, "main"]).await;
        let before = place.refs(&gone).await;
        let told = format!("{name} was changed or made by somebody");
        // Killed before it looked, or after it refused.
        if again {
            let refused = pruner.step(Step::Refs).await.expect_err("it is not what was looked at");
            assert!(refused.to_string().contains(&told), "{refused}");
            if name.ends_with("integration") {
                assert_eq!(place.refs(&gone).await, before, "all or nothing");
            }
        }
        drop(pruner);
        let others = all_old();
        let looks = PruneOptions { dry_run: true, ..others.clone() };
        for asked in [looks, others, PruneOptions { unpublished: true, ..all() }] {
            let report = engine.prune(asked).await.expect("an answer");
            let kept: Vec<_> = report.kept.iter().map(|kept| (&kept.convoy_id, kept.reason)).collect();
            assert_eq!(kept, [(&gone, KeepReason::Failed)], "{report:?}");
            assert!(report.kept[0].detail.contains(&told), "{report:?}");
            place.scratch.git(&["rev-parse", "--verify", &name]).await;
        }
        // Nor what is kept to without anybody asking.
        let retention = Retention { keep_convoys: Some(0), ..Retention::default() };
        let keeps = place.builder().retention(retention).build().await.expect("an engine");
        let report = keeps.last_retention().expect("it looked");
        assert!(report.kept.iter().any(|kept| kept.convoy_id == gone), "{report:?}");
        keeps.shutdown().await;
        place.scratch.git(&["rev-parse", "--verify", &name]).await;
        // Whoever has looked at it says so by naming it.
        assert_eq!(engine.prune(named(&gone)).await.expect("pruned").pruned.len(), 1);
        assert!(place.left(&gone).await.is_empty() && place.left(&stays).await.is_empty());
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn what_git_left_that_was_killed_while_it_deleted_refs_is_removed_and_nothing_of_others() {
    // At once: each waits for as long as a lock of somebody who lives may take.
    tokio::join!(locks_go_with("engine"), locks_go_with("prune"), locks_go_with("run"));
}

async fn locks_go_with(who: &str) {
    let place = Place::new().await;
    let engine = place.engine().await;
    let (gone, stays) = (place.convoy(&engine, "one").await, place.convoy(&engine, "two").await);
    let parts = engine.parts().clone();
    let (repo, other) = (&place.scratch.repo, all_old());
    let lock = repo.common_dir().join("packed-refs.lock");
    let pruner = doomed(&engine, &parts, &gone).await;
    let refs = repo.list_refs(&format!("refs/convoy/{gone}")).await.expect("lists");
    repo.note_deletion(gone.as_str(), &refs).expect("noted");
    repo.mark_deleting(gone.as_str()).expect("marked");
    std::fs::write(&lock, "").expect("written");
    std::fs::write(lock.with_extension("new"), "half wr").expect("written");
    drop(pruner);
    match who {
        "engine" => place.engine().await.shutdown().await,
        "prune" => drop(engine.prune(other).await.expect("an answer")),
        _ => drop(place.convoy(&engine, "three").await),
    }
    assert!(!lock.exists() && !lock.with_extension("new").exists(), "{who}");
    place.scratch.git(&["pack-refs", "--all"]).await;
    engine.prune(all()).await.expect("pruned");
    assert!(place.left(&gone).await.is_empty() && place.left(&stays).await.is_empty());
    assert_eq!(repo.noted_deletion(gone.as_str()), None, "nothing to go on with");
    engine.shutdown().await;
}

#[tokio::test]
async fn a_lock_of_somebody_who_lives_stays_after_a_prune_that_was_refused_or_killed_before_git_ran() {
    for refused in [false, true] {
        let place = Place::new().await;
        let engine = place.engine().await;
        let (gone, stays) = (place.convoy(&engine, "one").await, place.convoy(&engine, "two").await);
        let parts = engine.parts().clone();
        let mut pruner = doomed(&engine, &parts, &gone).await;
        if refused {
            let name = format!("refs/convoy/{gone}/integration");
            place.scratch.git(&["update-ref", &name, "main"]).await;
            pruner.step(Step::Refs).await.expect_err("it is not what was looked at");
        }
        drop(pruner);
        let lock = place.scratch.repo.common_dir().join("packed-refs.lock");
        std::fs::write(&lock, "").expect("written");
        place.engine().await.shutdown().await;
        assert!(lock.exists(), "refused: {refused}");
        std::fs::remove_file(&lock).expect("it is done");
        engine.prune(named(&gone)).await.expect("pruned");
        assert!(place.left(&gone).await.is_empty() && !place.left(&stays).await.is_empty());
        engine.shutdown().await;
    }
}

/// Keeps what is warned of.
#[derive(Debug, Clone, Default)]
struct Warned(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warned {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text.push_str(&format!("{value:?} "));
        });
        self.0.lock().expect("whole").push(text);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_lock_that_cannot_be_told_from_that_of_others_stays_and_is_named_in_the_log() {
    let place = Place::new().await;
    let engine = place.engine().await;
    let gone = place.convoy(&engine, "one").await;
    let parts = engine.parts().clone();
    drop(doomed(&engine, &parts, &gone).await);
    let lock = place.scratch.repo.common_dir().join("packed-refs.lock");
    // Killed when the clock had been set back.
    place.scratch.repo.mark_deleting(gone.as_str()).expect("marked");
    let file = std::fs::File::create_new(&lock).expect("made");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
    for _ in 0..2 {
        let warned = Warned::default();
        let other = place.builder().log_to(tracing::Dispatch::new(warned.clone())).build().await;
        other.expect("an engine").shutdown().await;
        let warned = warned.0.lock().expect("whole");
        let named = warned.iter().filter(|text| text.contains(&lock.display().to_string())).count();
        assert!(lock.exists() && named == 1, "{warned:?}");
    }
    std::fs::remove_file(&lock).expect("by hand");
    assert_eq!(engine.prune(named(&gone)).await.expect("pruned").pruned.len(), 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn what_links_lead_to_is_never_touched() {
    let place = Place::new().await;
    let engine = place.engine().await;
    let (gone, stays) = (place.convoy(&engine, "one").await, place.convoy(&engine, "two").await);
    let theirs = place.scratch.outside().join("theirs");
    std::fs::create_dir_all(theirs.join("deep")).expect("creates");
    std::fs::write(theirs.join("deep/file"), "mine\n").expect("writes");
    std::fs::set_permissions(theirs.join("deep"), std::fs::Permissions::from_mode(0o500)).expect("chmod");
    let (state, id) = (place.state(), gone.as_str());
    let logs = state.join("logs").join(id);
    symlink(&theirs, logs.join("planted")).expect("links");
    symlink(theirs.join("deep/file"), logs.join("planted.log")).expect("links");
    std::fs::create_dir_all(state.join("worktrees").join(id)).expect("creates");
    symlink(&theirs, state.join("worktrees").join(id).join("0-a")).expect("links");
    std::fs::create_dir_all(state.join("inject")).expect("creates");
    symlink(&theirs, state.join("inject").join(id)).expect("links");
    let options = PruneOptions { convoys: Some(vec![gone.clone()]), ..PruneOptions::default() };
    let report = engine.prune(options).await.expect("pruned");
    assert!(report.kept.is_empty(), "{report:?}");
    let [pruned] = &report.pruned[..] else { panic!("{report:?}") };
    let [left] = &pruned.left[..] else { panic!("{report:?}") };
    assert!(left.contains("inject") && left.contains("left as it is"), "{left}");
    assert_eq!(place.left(&gone).await, ["inject"], "the link itself, which is nobody's of the engine");
    assert_eq!(std::fs::read_to_string(theirs.join("deep/file")).expect("is there"), "mine\n");
    let mode = std::fs::metadata(theirs.join("deep")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o500, "not even its mode");
    place.check(&engine, &stays).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn a_state_folder_that_is_a_link_is_left_alone_and_so_are_refs_behind_one() {
    let place = Place::new().await;
    let engine = place.engine().await;
    let gone = place.convoy(&engine, "one").await;
    let (logs, theirs) = (place.state().join("logs"), place.scratch.outside().join("theirs"));
    std::fs::rename(&logs, &theirs).expect("moves");
    symlink(&theirs, &logs).expect("links");
    // All refs below a folder would be those of the user.
    let common = place.scratch.repo.common_dir().to_owned();
    let folder = common.join("refs/convoy").join(gone.as_str());
    std::fs::rename(&folder, common.join("aside")).expect("moves");
    symlink(common.join("refs/heads"), &folder).expect("links");
    let report = engine.prune(all()).await.expect("an answer");
    let [kept] = &report.kept[..] else { panic!("{report:?}") };
    assert!(kept.reason == KeepReason::Failed && kept.detail.contains("it is a link"), "{kept:?}");
    assert!(kept.detail.contains("prune again to finish it"), "{kept:?}");
    place.scratch.git(&["rev-parse", "--verify", "refs/heads/main"]).await;

    std::fs::remove_file(&folder).expect("removes");
    let report = engine.prune(all()).await.expect("an answer");
    let [pruned] = &report.pruned[..] else { panic!("{report:?}") };
    assert!(pruned.left.iter().any(|left| left.contains("logs is no folder of the engine")), "{pruned:?}");
    assert!(theirs.join(gone.as_str()).is_dir(), "what is behind the link stays");
    engine.shutdown().await;
}

#[tokio::test]
async fn what_was_made_read_only_goes_or_is_told_and_goes_later() {
    let place = Place::new().await;
    let engine = place.engine().await;
    let gone = place.convoy(&engine, "one").await;
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let logs = place.state().join("logs");
    let folder = logs.join(gone.as_str());
    for entry in std::fs::read_dir(&folder).expect("lists").flatten().filter(|e| e.path().is_dir()) {
        for file in std::fs::read_dir(entry.path()).expect("lists").flatten() {
            mode(&file.path(), 0o400);
        }
        mode(&entry.path(), 0o500);
    }
    mode(&folder, 0o500);
    mode(&logs, 0o500);
    // Whoever runs the tests may be allowed everything.
    let is_root = std::fs::write(logs.join("probe"), "").is_ok();
    let report = engine.prune(all()).await.expect("an answer");
    assert_eq!(report.kept.len(), usize::from(!is_root), "{report:?}");
    assert!(
        report
            .kept
            .iter()
            .all(|kept| kept.detail.contains("check its permissions") || kept.detail.contains("logs"))
    );
    mode(&logs, 0o700);
    engine.prune(all()).await.expect("an answer");
    assert_eq!(place.left(&gone).await, Vec::<String>::new());
    engine.shutdown().await;
}

#[tokio::test]
async fn of_engines_that_prune_at_once_one_does_it() {
    let place = Place::new().await;
    let engine = place.engine().await;
    let mut convoys = Vec::new();
    for file in ["one", "two", "three"] {
        convoys.push(place.convoy(&engine, file).await);
    }
    let others = [place.engine().await, place.engine().await, engine];
    let reports = tokio::join!(others[0].prune(all()), others[1].prune(all()), others[2].prune(all()));
    let reports = [reports.0, reports.1, reports.2].map(|report| report.expect("an answer"));
    let mut pruned: Vec<_> =
        reports.iter().flat_map(|report| &report.pruned).map(|one| &one.convoy_id).collect();
    pruned.sort();
    assert_eq!(pruned, convoys.iter().collect::<Vec<_>>(), "each once: {reports:?}");
    let kept = reports.iter().flat_map(|report| &report.kept);
    assert!(kept.clone().all(|kept| kept.reason == KeepReason::Running), "{reports:?}");
    for convoy in &convoys {
        assert!(place.left(convoy).await.is_empty());
    }
    for engine in &others {
        engine.shutdown().await;
    }
}
