//! Parity: hosts in Rust, C, Python and Node that do the same get the same events.
//!
//! `scenarios/*.yml` say what a host does: what its agents, its reviewer and its merge queue answer, and which calls it
//! makes. Four small hosts do it: `tests/src/bin/parity-host` natively over the traits of the core, and `host.c`,
//! `host.py` (plain and with asyncio) and `host.js` through the C interface. Each prints every event it reads, every
//! request it was asked, and what became of every call; these streams must be equal, but for names that differ from run
//! to run, and for how often the branch is moved ([`stream`]). The scenarios are those of the conformance suites of the traits (`agent`, `review` and `merge` of
//! the core), as far as an engine brings them about, and what people ask of a run.
//!
//! # The words of a scenario
//! `name`, `about`; `files` and `branches` (name → files) of the repository; `convoy`, a convoy file; `options` of its
//! start; `engine`, options of the engine; `adapters` (one called `scribe` where absent) and `reviewer`, as the C
//! interface describes them; `queue: true` for a merge queue of the host; `gates`, `prompts`, `hooks`, names of code; `script`, `on`, `main`, below; `processes`, a
//! list of these three, one for each process that one after the other uses the repository, `dies: true` for one that
//! kills itself; `shows`, parts of lines that must be there, so that the scenario shows what it is for; `free`, types of
//! live events, and numbers, that are the affair of each language.
//!
//! `script` maps `execute T.A`, `review T.A` (task and attempt by number), `gate NAME`, `prompt NAME`, `hook NAME`, or just
//! `execute`, `review`, `gate`, `prompt`, `hook`, `prepare`, `advance`, `settle` to a list of scripts: one for each call, the last for all later ones. A script is a list of
//! - `[answer, JSON]`, `[answer-twice, JSON]`, `[nonsense, JSON]`, `[raise, TYPE, MESSAGE]`, `[fail, MESSAGE, TYPE]`, or for
//!   a merge queue `[git]`: the answer;
//! - `[write, FILE, TEXT]`, `[output, TEXT]`, `[complain, TEXT]`, `[repeat, MEMBER]`, `[session, ID]`, `[started]`,
//!   `[git-only]`, `[ask, cancel]`, `[ask, interrupt, REASON]` of the run: what is done before;
//! - `[await, GATE]`, `[cancelled]`, `[hang]`, `[die]`: waits for `[open, GATE]`, until the engine asks for the end, for
//!   ever; and kills the process.
//!
//! `main` (absent: `[[start]]`) are the calls of the host: `start`, `resume`, `retry TASKS`, `publish`, each of which is
//! followed to its end; `pause`, `unpause`, `cancel`, `interrupt REASON` of the run, `ask_pause`, `ask_unpause`,
//! `ask_cancel`, `approve TASK REASON`, `reject`, `skip`, `accept TASK REVISION REASON`, `inject TEXT KEY`,
//! `resolve_dead_letter ID TEXT`, `resolve_dispute`, `status`, `list`, `is_running`, `dead_letters`, `disputes`, `events`,
//! `attempt TASK NUMBER`, `artifact TASK NAME`, `log TASK NUMBER` (its path and what it holds), `export` (the number of
//! events, and what the file holds), `prune OPTIONS` as the C interface has them, `retention`, `shutdown` of the engine, after which a host reads no further, and
//! `open GATE`; `CONVOY` in an argument is the id of the convoy without its first word. `on` are rules: the first one
//! that fits an event (`type`, perhaps `task`) and was not used says what is then done, before the next event is read.

mod hosts;
mod scenario;
mod stream;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};

use serde_json::json;

use crate::hosts::{Host, Missing};
use crate::scenario::Scenario;
use crate::stream::{Stream, difference};

static SCENARIOS: LazyLock<Vec<Scenario>> = LazyLock::new(scenario::all);

/// What the native host printed, by scenario: all languages are held against it.
static NATIVE: LazyLock<Vec<OnceLock<Result<Stream, String>>>> =
    LazyLock::new(|| SCENARIOS.iter().map(|_| OnceLock::new()).collect());

fn native(at: usize) -> Result<&'static Stream, String> {
    let run = || SCENARIOS[at].run(&Host::native());
    NATIVE[at].get_or_init(run).as_ref().map_err(|error| format!("native: {error}"))
}

/// Scenarios that are under way at a time: they wait for git and the disk most of the time.
const AT_ONCE: usize = 4;

/// Looks at all scenarios, some at a time, and fails with all that is wrong.
fn each(check: impl Fn(usize) -> Result<(), String> + Sync) {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(Scenario { name, about, .. }) = SCENARIOS.get(at) else { break };
                    if let Err(wrong) = check(at) {
                        found
                            .lock()
                            .expect("no thread panics with it")
                            .push(format!("{name} ({about}): {wrong}"));
                    }
                }
            });
        }
    });
    let found = found.into_inner().expect("no thread panicked");
    assert!(found.is_empty(), "{} of {} scenarios:\n{}", found.len(), SCENARIOS.len(), found.join("\n"));
}

fn all_equal(host: Result<Host, Missing>) {
    let Some(host) = hosts::or_skip(host) else { return };
    each(|at| {
        let (native, here) = (native(at)?, SCENARIOS[at].run(&host)?);
        difference(native, &here).map_or(Ok(()), Err)
    });
}

#[test]
fn every_scenario_shows_what_it_is_for() {
    each(|at| {
        let stream = native(at)?;
        match SCENARIOS[at].shows.iter().find(|part| !stream.shows(part)) {
            Some(missing) => Err(format!("nothing shows {missing} in\n{stream}")),
            None => Ok(()),
        }
    });
}

#[test]
fn a_c_host_gets_the_same_events_as_a_native_one() {
    all_equal(Host::c());
}

#[test]
fn a_python_host_gets_the_same_events_as_a_native_one() {
    all_equal(Host::python("plain"));
}

#[test]
fn a_python_host_with_asyncio_gets_the_same_events_as_a_native_one() {
    all_equal(Host::python("asyncio"));
}

#[test]
fn a_node_host_gets_the_same_events_as_a_native_one() {
    all_equal(Host::node());
}

#[test]
fn a_host_that_does_something_else_is_told() {
    let at = SCENARIOS.iter().position(|scenario| scenario.name == "two tasks").expect("the first scenario");
    let c = hosts::or_skip(Host::c()).expect("every machine that builds this has a C compiler");
    let mut other = SCENARIOS[at].clone();
    other.jobs[0]["script"]["execute 1.1"] =
        json!([[["write", "two.txt", "other\n"], ["answer", { "outcome": "succeeded" }]]]);
    let native = native(at).expect("it runs");
    let told = difference(native, &other.run(&c).expect("it runs")).expect("another file is another stream");
    assert!(told.contains("other"), "{told}");
}

#[test]
fn no_two_scenarios_have_one_name() {
    let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names.len(), SCENARIOS.len());
}
