//! One convoy from its start to its end, over any number of engines.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::sync::mpsc;

use super::people::{approval, requests, resolution};
use super::perform::{SimPerform, asked};
use super::record::must;
use super::rng::Rng;
use super::store::SimStore;
use super::world::{SimClock, Story, World};
use crate::agent::Places;
use crate::clock::Clock;
use crate::engine::driver::Driver;
use crate::engine::perform::Message;
use crate::engine::run::Live;
use crate::engine::seats::Seats;
use crate::engine::stored::load;
use crate::engine::waiting::WaitingList;
use crate::error::Error;
use crate::event::{ConvoyEvent, EVENT_FORMAT, Event, EventRecord, RequestKind};
use crate::plan::Plan;
use crate::schedule::tests::build::{START, fresh, planned};
use crate::schedule::tests::shape::shapes;
use crate::schedule::{Input, Scheduler};
use crate::secret::Redactor;
use crate::spec::{CircuitBreaker, Concurrency, Merge, OnDispute, OnExhausted, OnFailure, Output, Spec};
use crate::state::RunState;
use crate::store::{Holder, Lease, MemoryStore, NewConvoy, Store, When};
use crate::types::{ConvoyId, TaskIx, TaskStatus, Timestamp};

/// Longer than any convoy of the sizes used here takes, by its own time.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// More engines than any story needs.
const MOST_LIVES: u32 = 60;

/// How a story ended.
#[derive(Debug, PartialEq)]
pub(super) struct Ending {
    pub(super) statuses: Vec<TaskStatus>,
    /// Tasks whose work is on the integration ref.
    pub(super) landed: BTreeSet<TaskIx>,
    pub(super) log: Vec<EventRecord>,
    /// How engines ended, and how often.
    pub(super) ends: BTreeMap<&'static str, u32>,
}

/// The random convoy of a seed.
pub(super) fn plan_of(story: Story) -> Arc<Plan> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&story.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tree = shapes(12).new_tree(&mut TestRunner::new_with_rng(Config::default(), rng)).expect("a shape");
    let mut spec: Spec = (**tree.current().plan().spec()).clone();
    if story.wild && story.seed % 4 == 1 {
        // Roles that are rested often, and not for long.
        let fallback_agent = (story.seed % 16 != 1).then(|| "expert".to_owned());
        let cooldown = Duration::from_millis(match story.seed % 16 {
            5 | 13 => 0,
            // Long enough for other tasks to become ready meanwhile.
            9 => 2000,
            _ => 100,
        });
        spec.concurrency = Concurrency::Fixed(2);
        spec.circuit_breaker = Some(CircuitBreaker { threshold: 1, cooldown, fallback_agent });
        (spec.on_failure, spec.budget) = (OnFailure::Continue, None);
        for task in &mut spec.tasks {
            (task.max_retries, task.on_exhausted) = (0, OnExhausted::Dlq);
        }
    }
    if !story.wild {
        // What a stop skips, and who is rested, depends on the moment.
        spec.circuit_breaker = None;
        spec.budget = None;
        spec.tasks.iter_mut().for_each(|task| task.budget = None);
        spec.on_failure = OnFailure::Continue;
        spec.reviews.on_dispute = OnDispute::Continue;
        let stops = spec.tasks.iter_mut().filter(|task| task.on_exhausted == OnExhausted::Stop);
        stops.for_each(|task| task.on_exhausted = OnExhausted::Dlq);
    }
    if story.wild && story.seed % 8 != 3 {
        // More than a convoy may hold: who gets no room follows the order of events.
        for task in spec.tasks.iter_mut().filter(|task| !task.outputs.is_empty()) {
            let more = (0..49).map(|n| Output { name: format!("more{n}"), ..task.outputs[0].clone() });
            task.outputs.extend(more.collect::<Vec<_>>());
        }
    }
    spec.merge = Merge::default();
    if story.seed % 3 == 2 {
        let batch = 1 + u32::try_from(story.seed % 5).expect("small");
        spec.merge = Merge { verify: vec!["test".into()], batch, ..Merge::default() };
    }
    planned(spec)
}

/// What ends an engine before its convoy ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doom {
    /// It is killed.
    Dies,
    /// A write fails, or its answer is lost.
    StoreFails,
    /// Git fails once.
    GitFails,
    None,
}

struct Fate {
    world: Arc<World>,
    rng: Rng,
    store: MemoryStore,
    convoy: ConvoyId,
    /// Engines that still come to a bad end.
    doomed: u64,
    /// Requests that people still make.
    requests: u64,
    /// How often people still have final tasks taken up again.
    retries: u64,
    ends: BTreeMap<&'static str, u32>,
}

/// Lives one convoy, and looks at every rule.
///
/// # Errors
/// The rule that did not hold, and what happened before.
pub(super) fn live(story: Story, plan: &Arc<Plan>) -> Result<Ending, String> {
    let first = live_once(story, plan);
    if first.is_ok() || story.traced {
        return first;
    }
    // The same again, written down this time.
    live_once(Story { traced: true, ..story }, plan)
}

fn live_once(story: Story, plan: &Arc<Plan>) -> Result<Ending, String> {
    let world = World::new(story, plan);
    let mut rng = Rng::keyed(&[story.seed, 6]);
    let many = |rng: &mut Rng, n| if story.disturbed { rng.below(n) } else { 0 };
    let (doomed, requests) = (many(&mut rng, 7), many(&mut rng, 13));
    let retries = if story.wild { many(&mut rng, 5) } else { 0 };
    let (store, convoy) = (MemoryStore::new(), fresh(plan).convoy().clone());
    let ends = BTreeMap::new();
    let fate = Fate { world: world.clone(), rng, store, convoy, doomed, requests, retries, ends };
    match catch_unwind(AssertUnwindSafe(|| fate.live(plan))) {
        Ok(ending) => ending,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}\n{}", text.unwrap_or_default(), world.trace()))
        }
    }
}

fn holder(n: u32) -> Holder {
    Holder { engine: format!("engine {n}"), pid: n, start_time: 1, boot: "sim".into() }
}

impl Fate {
    fn live(mut self, plan: &Arc<Plan>) -> Result<Ending, String> {
        let state = fresh(plan);
        let new = NewConvoy {
            id: self.convoy.clone(),
            name: "sim".into(),
            spec_text: serde_json::to_string(&**plan.spec()).expect("json"),
            event_format: EVENT_FORMAT,
            created_at: START,
            holder: holder(0),
            first: Event::Convoy(ConvoyEvent::Started(Box::new(state.started().clone()))),
        };
        let runtime = runtime();
        runtime.block_on(self.store.create(new)).expect("created");
        let mut first = vec![Input::Begin { resumed: false }];
        for life in 1..=MOST_LIVES {
            self.world.revive();
            self.one_life(life, first)?;
            self.world.verdict()?;
            match self.next_life() {
                Some(next) => first = next,
                None => return self.end(),
            }
        }
        Err(format!("the convoy does not end in {MOST_LIVES} lives\n{}", self.world.trace()))
    }

    /// An engine takes the convoy up, and ends one way or another.
    fn one_life(&mut self, life: u32, first: Vec<Input>) -> Result<(), String> {
        let store = Arc::new(SimStore { world: self.world.clone(), handle: self.store.reopen() });
        let doom = self.doom(&store.handle);
        let runtime = runtime();
        let over = runtime.block_on(async {
            let nobody: &(dyn Fn(&Holder) -> bool + Send + Sync) = &|_| false;
            let lease = store.acquire(&self.convoy, holder(life), nobody).await.expect("free");
            store.watch(&self.convoy).await.expect("readable");
            let stored = store.load(&self.convoy).await.expect("stored");
            let loaded = load(&stored).map_err(|error| error.chain())?;
            let same = self.world.with(|w| w.record.state() == &loaded.state);
            must(same, || "loading gives another state than following the log".into())?;
            let over = self.drive(store.clone(), lease, loaded.state, loaded.last_seq, first).await;
            self.world.with(|w| w.end_life());
            over
        })?;
        // Everything that the engine had started dies with its runtime.
        drop(runtime);
        let ended = self.judge(doom, over);
        self.world.rule(ended);
        Ok(())
    }

    fn doom(&mut self, handle: &MemoryStore) -> Doom {
        if self.doomed == 0 {
            self.world.with(|w| w.calm = true);
            return Doom::None;
        }
        self.doomed -= 1;
        let doom =
            self.rng.of(&[Doom::Dies, Doom::Dies, Doom::Dies, Doom::StoreFails, Doom::GitFails, Doom::None]);
        // Few of many steps at first, more and more later on.
        let within = self.rng.of(&[10, 40, 160]);
        let after = self.rng.below(within);
        self.world.with(|w| match doom {
            Doom::Dies => w.dies_at = Some(w.steps + 1 + after),
            Doom::GitFails => w.breaks_at = Some(w.steps + after),
            Doom::StoreFails => {
                let when = self.rng.of(&[When::BeforeCommit, When::AfterCommit]);
                handle.fail_append_after(after / 4, when);
            }
            Doom::None => {}
        });
        doom
    }

    /// Runs the driver until it returns; `None` when its engine died first.
    async fn drive(
        &mut self,
        store: Arc<dyn Store>,
        lease: Lease,
        state: RunState,
        last_seq: u64,
        first: Vec<Input>,
    ) -> Result<Option<Result<RunState, Error>>, String> {
        let world = self.world.clone();
        world.begin_life();
        let clock: Arc<dyn Clock> = Arc::new(SimClock(world.clone()));
        let places = Arc::new(Places::new(state.adapter_limits().clone(), clock.clone()));
        world.open_desks(&places);
        let (sender, messages) = mpsc::unbounded_channel();
        let driver = Driver {
            scheduler: Scheduler::new(state),
            store,
            lease,
            last_seq,
            clock,
            performer: Arc::new(SimPerform { world: world.clone() }),
            live: Live::new(),
            messages,
            sender: sender.clone(),
            inbox_every: Duration::from_millis(250),
            in_flight: BTreeMap::new(),
            next_action: 0,
            next_inbox: Timestamp(0),
            stale: Vec::new(),
            left: Arc::default(),
            redactor_of: Box::new(|_| Redactor::new()),
            seats: Seats::new(places.clone()),
            asked: Vec::new(),
            waiting: WaitingList::default(),
            failed: None,
        };
        tokio::select! {
            biased;
            () = world.died() => Ok(None),
            result = driver.run(first) => Ok(Some(result)),
            () = world.rival(places) => Err("the other convoy has ended".into()),
            () = self.people(&sender) => Err("nobody asks any more".into()),
            () = tokio::time::sleep(LONGEST) => Err(format!("the run does not end\n{}", world.trace())),
        }
    }

    /// People who ask for things: of the engine's own process, or through the store.
    async fn people(&mut self, engine: &mpsc::UnboundedSender<Message>) {
        loop {
            self.world.nap(500).await;
            let (now, paused) = self.world.with(|w| (w.now(), w.record.state().is_paused()));
            let unpaused = (paused && self.rng.one_in(4)).then_some(RequestKind::Unpause);
            let wanted = || if self.requests > 0 { requests(&self.world) } else { None };
            // Approval is waited for as long as it takes; other wishes are few.
            let approval = if self.rng.one_in(2) { approval(&self.world) } else { None };
            let approval =
                approval.or_else(|| if self.rng.one_in(4) { resolution(&self.world) } else { None });
            let Some(kind) = unpaused.or(approval).or_else(wanted) else { continue };
            let is_answer = matches!(
                kind,
                RequestKind::Approve { .. } | RequestKind::Reject { .. } | RequestKind::ResolveDispute { .. }
            );
            if !is_answer {
                self.requests = self.requests.saturating_sub(1);
            }
            let request = asked(kind);
            self.world.with(|w| w.note(|| format!("asked: {request:?}")));
            match request {
                Input::Request(request) if self.rng.one_in(2) => {
                    self.store.submit(&self.convoy, request, now).await.expect("stored");
                }
                request => drop(engine.send(Message::Input(request))),
            }
        }
    }

    /// Looks whether an engine ended as it may.
    fn judge(&mut self, doom: Doom, over: Option<Result<RunState, Error>>) -> Result<(), String> {
        let how = match &over {
            None => "died",
            Some(Err(_)) if doom == Doom::StoreFails => "store failed",
            Some(Err(_)) => "git failed",
            Some(Ok(state)) if state.ended().is_some() => "ended",
            Some(Ok(_)) => "interrupted",
        };
        *self.ends.entry(how).or_default() += 1;
        let Some(result) = over else { return Ok(()) };
        let runtime = runtime();
        let held = runtime.block_on(self.store.holder(&self.convoy)).expect("stored").is_some();
        self.world.with(|w| match result {
            Ok(state) => {
                w.after_life(true)?;
                must(&state == w.record.state(), || "the run returns another state than the log's".into())?;
                let over = state.ended().is_some() || state.is_interrupting();
                must(over, || "the run returns before its end".into())?;
                must(!held, || "the lease was not given back".into())
            }
            Err(_) if doom == Doom::StoreFails => w.after_life(false),
            Err(_) if doom == Doom::GitFails => w.after_life(true),
            Err(error) => Err(format!("the engine fails: {}", error.chain())),
        })
    }

    /// What the next engine begins with; `None` when nothing is left to do.
    fn next_life(&mut self) -> Option<Vec<Input>> {
        let resumed = Input::Begin { resumed: true };
        let (ended, published, letter) = self.world.with(|w| {
            let state = w.record.state();
            (state.ended().is_some(), state.is_published(), w.record.open_letter())
        });
        let actor = "me".to_owned();
        if !ended {
            let cancel = self.retries > 0 && self.rng.one_in(12);
            return Some(if cancel { vec![resumed, asked(RequestKind::Cancel)] } else { vec![resumed] });
        }
        if self.retries > 0 {
            self.retries -= 1;
            if let (Some(dlq_id), true) = (letter, self.rng.one_in(3)) {
                let resolution = "by hand".into();
                return Some(vec![asked(RequestKind::ResolveDeadLetter { dlq_id, resolution })]);
            }
            let few = self.rng.one_in(2);
            let all = self.world.with(|w| w.plan.indices());
            let tasks = all.filter(|_| few && self.rng.one_in(3)).collect();
            return Some(vec![Input::Retry { tasks, actor }]);
        }
        (!published).then(|| vec![resumed])
    }

    fn end(self) -> Result<Ending, String> {
        self.world.rule(self.world.with(|w| w.record.at_the_end(&w.git)));
        let log = runtime().block_on(self.store.load(&self.convoy)).expect("stored").events;
        let read_again = self.world.with(|w| w.story.watched);
        for record in log.iter().filter(|_| read_again) {
            let (event, id) = (&record.event, record.task_id().cloned());
            let data = event.data();
            let same = Event::decode(event.type_name(), id, data).is_ok_and(|decoded| decoded == *event);
            let (text, flat) = (event.data_text(), record.to_flat_json().to_string());
            let id = record.task_id().map(|id| id.as_str());
            let same = same
                && Event::decode_text(event.type_name(), id, &text).is_ok_and(|decoded| decoded == *event)
                && record.to_flat_text() == flat;
            self.world.rule(must(same, || format!("an event is another one in JSON: {event:?}")));
        }
        self.world.verdict()?;
        let (statuses, landed) = self.world.with(|w| {
            let landed = w.plan.indices().filter(|ix| w.git.landings(*ix).next().is_some()).collect();
            let state = w.record.state();
            (w.plan.indices().map(|ix| state.task(ix).stage.status()).collect(), landed)
        });
        Ok(Ending { statuses, landed, log, ends: self.ends })
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}
