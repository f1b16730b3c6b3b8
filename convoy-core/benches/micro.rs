//! What single steps of the engine take: `cargo bench -p convoy-core --features testing`. Each group holds a
//! baseline, or a small and a large case, so that one run says how they compare.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use convoy_core::event::{RunOptions, Started};
use convoy_core::git::{GitOptions, Repository};
use convoy_core::plan::{self, Plan};
use convoy_core::schedule::{Input, Report, Scheduler, StartedReport};
use convoy_core::secret::Redactor;
use convoy_core::state::RunState;
use convoy_core::store::conformance::samples;
use convoy_core::store::{MemoryStore, SqliteStore, Store};
use convoy_core::types::{AttemptNo, ConvoyId, Oid, TaskIx, Timestamp};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

criterion_group!(micro, parse, decide, store, secrets, splice);
criterion_main!(micro);

/// A convoy file of so many tasks, each of which depends on one before it.
fn file(tasks: usize) -> String {
    let mut text = String::from("name: large\nversion: 1\nconcurrency: 8\ntasks:\n");
    for i in 0..tasks {
        let _ = write!(text, "  - id: t{i}\n    prompt: Change module {i}.\n    files: [src/m{i}/]\n");
        if i >= 10 {
            let _ = writeln!(text, "    depends_on: [t{}]", i - i % 10 - 1);
        }
    }
    text
}

/// A convoy file to a plan, beside reading the same text as untyped YAML.
fn parse(c: &mut Criterion) {
    let text = file(1_000);
    let mut group = c.benchmark_group("parse, 1,000 tasks");
    group.sample_size(20).throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("check and plan", |b| b.iter(|| plan::check(black_box(&text))));
    group.bench_function("untyped YAML", |b| {
        b.iter(|| serde_yaml::from_str::<serde_json::Value>(black_box(&text)).expect("YAML"));
    });
    group.finish();
}

fn scheduler(plan: &Arc<Plan>) -> Scheduler {
    let started = Started {
        name: "speed".into(),
        spec_digest: String::new(),
        options: RunOptions::default(),
        adapter: None,
        providers: BTreeMap::new(),
        adapter_limits: BTreeMap::new(),
        branch: "refs/heads/main".into(),
        base: samples::oid('0'),
        integration_ref: "refs/convoy/speed/integration".into(),
        inactive: Vec::new(),
        tasks: u32::try_from(plan.len()).expect("few enough"),
        engine_version: String::new(),
        event_format: 1,
    };
    let state = RunState::new(plan.clone(), ConvoyId::from_parts(1, 1), Timestamp(1), started);
    let mut scheduler = Scheduler::new(state);
    scheduler.handle(Input::Begin { resumed: false }, Timestamp(1)).expect("a legal turn");
    scheduler
}

/// One decision, that a task started: it costs what it changes, however large the convoy is.
fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.sample_size(20);
    for tasks in [100, 5_000] {
        let plan = Arc::new(plan::check(&file(tasks)).plan.expect("a valid file"));
        let input = || {
            let report = StartedReport {
                adapter: "none".into(),
                account: None,
                model: None,
                worktree: "/w".into(),
                slot: None,
                prompt_bytes: 1,
                session: "fresh".into(),
            };
            Input::worker(TaskIx(0), AttemptNo(1), Report::Started(report))
        };
        group.bench_function(format!("{tasks} tasks"), |b| {
            b.iter_batched_ref(
                || (scheduler(&plan), Some(input())),
                |(scheduler, input)| {
                    scheduler.handle(input.take().expect("one each"), Timestamp(2)).expect("a legal turn")
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// One durable transaction of the events of an attempt, beside the same in memory.
fn store(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = SqliteStore::open(folder.path().join("bench.db")).expect("opens");
    let stores: [(&str, Arc<dyn Store>); 2] =
        [("SQLite", Arc::new(sqlite)), ("memory", Arc::new(MemoryStore::default()))];
    let mut group = c.benchmark_group("append the events of an attempt");
    for (name, store) in stores {
        let (lease, at) = runtime.block_on(store.create(samples::new_convoy(1))).expect("created");
        let mut last = at.last_seq;
        group.bench_function(name, |b| {
            b.iter(|| {
                let batch = samples::batch(5, samples::attempt(0));
                last = runtime.block_on(store.append(&lease, last, batch)).expect("appended").last_seq;
            });
        });
    }
    group.finish();
}

/// Looking for secrets in source text, beside looking for one word.
fn secrets(c: &mut Criterion) {
    let text = include_str!("../src/engine/driver.rs").repeat(8);
    let redactor = Redactor::with_values((0..20).map(|n| format!("a-registered-value-{n}")));
    let word = regex::Regex::new("a word that nobody wrote").expect("a word is an expression");
    let mut group = c.benchmark_group("secrets");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("redact", |b| b.iter(|| redactor.redact(black_box(&text)).len()));
    group.bench_function("one word", |b| b.iter(|| word.is_match(black_box(&text))));
    group.finish();
}

/// Merging two commits that each change a file, in memory, beside `git merge-tree`.
fn splice(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("merge two changes of a file");
    group.sample_size(20);
    for files in [40, 4_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let [ours, theirs] = two_sides(folder.path(), files);
        let mut options = GitOptions::default();
        options.env = environment();
        let repository = runtime.block_on(Repository::open(folder.path(), options)).expect("opens");
        group.bench_function(format!("in memory, {files} files"), |b| {
            b.iter(|| runtime.block_on(repository.merge(&ours, &theirs)).expect("merges"));
        });
        group.bench_function(format!("git merge-tree, {files} files"), |b| {
            b.iter(|| git(folder.path(), &["merge-tree", "--write-tree", ours.as_str(), theirs.as_str()]));
        });
    }
    group.finish();
}

/// A repository of so many files, and two commits on its first one that change a file each.
fn two_sides(folder: &Path, files: usize) -> [Oid; 2] {
    git(folder, &["init", "-q", "-b", "main"]);
    let write = |n: usize, text: &str| {
        let path = folder.join(format!("d{}/f{n}", n / 40));
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    (0..files).for_each(|n| write(n, &format!("file {n}\n")));
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "Begin"]);
    let base = git(folder, &["rev-parse", "HEAD"]);
    [0, files - 1].map(|n| {
        git(folder, &["checkout", "-q", "--detach", &base]);
        write(n, "changed\n");
        git(folder, &["commit", "-q", "-a", "-m", "Change"]);
        Oid::new(git(folder, &["rev-parse", "HEAD"])).expect("an id")
    })
}

fn environment() -> BTreeMap<String, String> {
    let fixed = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.invalid"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@example.invalid"),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[expect(clippy::disallowed_methods, reason = "the baseline is the git program")]
fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(folder).env_clear().envs(environment()).stdin(Stdio::null());
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
