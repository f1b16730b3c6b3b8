//! What people are shown of a convoy under way.

use std::collections::BTreeMap;

use super::build::{after, planned, spec, task};
use super::choose::Choices;
use super::world::World;
use crate::event::RequestKind;
use crate::spec::{Concurrency, Spec, Task};
use crate::state::{ConvoyView, view};
use crate::types::{ConvoyStatus, FailureKind, TaskStatus};

fn waiting(world: &World, id: &str) -> Option<String> {
    view(world.state()).tasks[world.ix(id).index()].waiting_for.clone()
}

#[test]
fn each_task_says_what_it_waits_for() {
    let locked = |id: &str| Task { locks: vec!["db".into()], ..task(id) };
    let on = |task: Task| Task { files: vec!["src".into()], ..task };
    let tasks = vec![
        on(Task { max_retries: 1, ..task("a") }),
        locked("b"),
        locked("c"),
        task("d"),
        on(after("e", &["d"])),
        after("f", &["a", "b"]),
        task("g"),
    ];
    let locks = BTreeMap::from([("db".to_owned(), 1)]);
    let three = Spec { concurrency: Concurrency::Fixed(3), locks, ..spec(tasks) };
    let mut world = World::new(&planned(three));
    assert_eq!(waiting(&world, "a"), None, "it works");
    assert_eq!(waiting(&world, "c").as_deref(), Some("lock db"));
    assert_eq!(waiting(&world, "e").as_deref(), Some("task d"));
    assert_eq!(waiting(&world, "f").as_deref(), Some("task a, b"));
    assert_eq!(waiting(&world, "g").as_deref(), Some("a free slot"));
    world.lands("d");
    assert_eq!(waiting(&world, "e").as_deref(), Some("task a, which works on the same files"));
    world.request(RequestKind::Pause);
    world.works("g");
    world.passes("g");
    world.works("b");
    world.passes("b");
    assert_eq!(waiting(&world, "c").as_deref(), Some("the end of the pause"));
    assert_eq!(waiting(&world, "b").as_deref(), Some("its turn to land"));
    world.conflicts("g");
    assert_eq!(waiting(&world, "g").as_deref(), Some("a free slot, to resolve a conflict"));
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    world.request(RequestKind::Unpause);
    world.works("e");
    let text = waiting(&world, "a").expect("it waits");
    assert_eq!(text, format!("its retry, not before {}", world.scheduler.next_wake().expect("a time")));
    world.agent_fails("g", FailureKind::Auth);
    world.snapshot("g", true);
    assert_eq!(waiting(&world, "g"), None, "it failed");
}

#[test]
fn a_view_sums_up_the_convoy_and_its_tasks() {
    let mut world = World::new(&planned(spec(vec![task("a"), task("bad"), after("child", &["bad"])])));
    world.starts("a");
    world.lands("a");
    world.publishes();
    world.starts("bad");
    world.agent_fails("bad", FailureKind::Error);
    world.snapshot("bad", true);
    world.run(&mut Choices::new(&[]));
    let ConvoyView { status, published, totals, tokens, tasks, finished_at, .. } = view(world.state());
    assert_eq!((status, published, tokens), (ConvoyStatus::Failed, true, Some(2)));
    assert_eq!((totals.done, totals.failed, totals.skipped, totals.open), (1, 1, 1, 0));
    assert_eq!(finished_at, Some(world.now));
    let [a, bad, child] = tasks.as_slice() else { panic!("three tasks") };
    assert_eq!((a.status, a.attempts, a.phase, a.tokens), (TaskStatus::Done, 1, 1, Some(1)));
    assert!(a.commit.is_some() && a.failure.is_none() && a.dead_letter.is_none());
    assert_eq!(bad.failure.as_ref().map(|f| f.kind.clone()), Some(FailureKind::Error));
    assert!(bad.dead_letter.is_some() && bad.commit.is_none());
    assert_eq!((child.status, child.attempts, child.phase), (TaskStatus::Skipped, 0, 2));
    assert_eq!(child.waiting_for.as_deref(), Some("task bad is not done"));
}
