//! What a system without `/proc` and process descriptors gets.

use super::*;
use crate::process::run::follow;
use crate::process::spawn::spawn;
use crate::process::{Exit, Status, Stopped};

async fn with_the_group_only(text: &str, limits: Limits) -> (Exit, Vec<u8>) {
    let mut started = spawn(script(text)).await.unwrap();
    started.leader.see_only_the_group();
    let mut printed = Vec::new();
    let mut sink = Calling(|chunk: &[u8]| {
        printed.extend_from_slice(chunk);
        Next::Continue
    });
    let exit = follow(started, limits, &CancellationToken::new(), &mut sink).await.unwrap();
    (exit, printed)
}

#[tokio::test]
async fn a_program_that_ends_leaves_no_group() {
    let (exit, printed) = with_the_group_only("echo hello; exit 3", short()).await;
    assert_eq!((exit.status, exit.stopped, exit.left_behind), (Status::Code(3), None, 0));
    assert_eq!(printed, b"hello\n");
}

#[tokio::test]
async fn the_group_is_ended_when_the_program_leaves_it_behind() {
    for (left, grace, killed) in
        [("sleep 1000", FOREVER, false), ("(trap '' TERM; while :; do sleep 1000; done)", SHORT, true)]
    {
        let limits = Limits { grace, ..short() };
        let (exit, printed) = with_the_group_only(&format!("{left} & echo hello; exit 0"), limits).await;
        assert_eq!((exit.status, exit.left_behind, exit.killed), (Status::Code(0), 1, killed), "{left}");
        assert_eq!(printed, b"hello\n");
    }
}

#[tokio::test]
async fn the_group_is_ended_when_the_program_runs_too_long() {
    // A group lasts until the first process of the system has reaped what died in it: that may take a while.
    for (text, grace, killed) in
        [("exec sleep 1000", FOREVER, false), ("trap '' TERM; while :; do sleep 1000; done", SHORT, true)]
    {
        let limits = Limits { deadline: Some(SHORT), idle: None, grace };
        let (exit, _) = with_the_group_only(text, limits).await;
        assert_eq!((exit.stopped, exit.killed), (Some(Stopped::Deadline), killed), "{text}");
    }
}
