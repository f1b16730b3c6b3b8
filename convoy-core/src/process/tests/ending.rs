use super::*;
use crate::process::procfs;
use crate::process::{Exit, Status, Stopped, run};

async fn ended_by(text: &str, limits: Limits) -> Exit {
    let command = script(text);
    let cookie = cookie_of(&command);
    let exit = captured(command, limits).await.exit;
    assert_nothing_left(&cookie).await;
    exit
}

#[tokio::test]
async fn a_program_that_runs_too_long_is_asked_to_end_and_then_killed() {
    let limits = Limits { deadline: Some(SHORT), idle: None, grace: FOREVER };
    let exit = ended_by("sleep 1000", limits).await;
    assert_eq!(
        (exit.status, exit.stopped, exit.killed),
        (Status::Signal(15), Some(Stopped::Deadline), false)
    );

    let exit = ended_by("trap 'exit 7' TERM; sleep 1000 & wait", limits).await;
    assert_eq!((exit.status, exit.stopped, exit.killed), (Status::Code(7), Some(Stopped::Deadline), false));

    let deaf = Limits { grace: SHORT, ..limits };
    let exit = ended_by("trap '' TERM; while :; do sleep 1000; done", deaf).await;
    assert_eq!((exit.status, exit.stopped, exit.killed), (Status::Signal(9), Some(Stopped::Deadline), true));
}

#[tokio::test]
async fn what_a_program_does_to_end_in_order_is_not_disturbed() {
    let limits = Limits { deadline: Some(SHORT), idle: None, grace: FOREVER };
    let got = captured(script("trap 'sleep 0.2; echo tidied; exit 0' TERM; sleep 1000 & wait"), limits).await;
    assert_eq!(got.stdout, b"tidied\n");
    assert_eq!((got.exit.status, got.exit.killed), (Status::Code(0), false));
}

#[tokio::test]
async fn the_whole_tree_ends_with_the_program() {
    let limits = Limits { deadline: Some(SHORT), idle: None, grace: SHORT };
    for tree in [
        "sh -c 'sh -c \"sleep 1000; :\"; :' ; :",
        "(trap '' TERM; while :; do sleep 1000; done) & sleep 1000",
        "setsid sleep 1000 & sleep 1000",
        "setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' & sleep 1000",
        "(setsid setsid sh -c 'sleep 1000; :' >/dev/null 2>&1 &) ; sleep 1000",
    ] {
        assert_eq!(ended_by(tree, limits).await.stopped, Some(Stopped::Deadline), "{tree}");
    }
}

#[tokio::test]
async fn a_child_that_hid_its_marks_in_a_session_of_its_own_ends_with_its_parent() {
    let command = script("env -i /usr/bin/setsid /bin/sleep 1000 & echo $!; sleep 1000");
    let cookie = cookie_of(&command);
    let mut child = None;
    let mut sink = Calling(|chunk: &[u8]| {
        child = String::from_utf8_lossy(chunk).trim().parse::<i32>().ok();
        Next::Continue
    });
    // Long enough for the child to have left the group.
    let limits = Limits { deadline: Some(3 * SHORT), ..short() };
    let exit = run(command, &limits, &CancellationToken::new(), &mut sink).await.unwrap();
    assert_eq!(exit.stopped, Some(Stopped::Deadline));
    assert!(child.is_some());
    assert!(!child.and_then(procfs::stat).is_some_and(|stat| stat.alive), "{child:?} is left");
    assert_nothing_left(&cookie).await;
}

#[tokio::test]
async fn silence_ends_a_program_and_any_output_puts_it_off() {
    let limits = Limits { deadline: None, idle: Some(Duration::from_millis(300)), grace: FOREVER };
    assert_eq!(ended_by("echo; sleep 1000", limits).await.stopped, Some(Stopped::Idle));
    let exit = ended_by("for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 0.1; done", limits).await;
    assert_eq!((exit.status, exit.stopped), (Status::Code(0), None));
    assert!(exit.elapsed > Duration::from_millis(300));
}

#[tokio::test]
async fn cancelling_ends_a_program_that_runs_and_starts_none() {
    let cancel = CancellationToken::new();
    let command = script("echo ready; sleep 1000");
    let cookie = cookie_of(&command);
    let mut sink = Calling(|_: &[u8]| {
        cancel.cancel();
        Next::Continue
    });
    let exit = run(command, &short(), &cancel, &mut sink).await.unwrap();
    assert_eq!((exit.status, exit.stopped), (Status::Signal(15), Some(Stopped::Cancelled)));
    assert_nothing_left(&cookie).await;

    let error = run(script("exit 0"), &short(), &cancel, &mut sink).await.unwrap_err();
    assert!(error.to_string().contains("was not started"), "{error}");
}

#[tokio::test]
async fn a_program_that_said_it_is_finished_has_a_short_time_to_exit() {
    for (text, stopped) in [("echo done; sleep 1000", Some(Stopped::AfterEnd)), ("echo done; exit 0", None)] {
        let mut said = 0;
        let mut sink = Calling(|_: &[u8]| {
            said += 1;
            Next::EndWithin(if said == 1 { SHORT } else { FOREVER })
        });
        let command = script(&format!("sleep 0.05; {text}"));
        let cookie = cookie_of(&command);
        let exit = run(command, &short(), &CancellationToken::new(), &mut sink).await.unwrap();
        assert_eq!(exit.stopped, stopped, "{text}");
        assert_nothing_left(&cookie).await;
    }
}

#[tokio::test]
async fn a_later_word_does_not_lengthen_the_time_to_exit() {
    let mut sink = Calling(|_: &[u8]| Next::EndWithin(Duration::from_millis(300)));
    let command = script("while :; do echo done; sleep 0.05; done");
    let exit = run(command, &short(), &CancellationToken::new(), &mut sink).await.unwrap();
    assert_eq!(exit.stopped, Some(Stopped::AfterEnd));
}

#[tokio::test]
async fn dropping_the_run_kills_the_tree() {
    let command = script("trap '' TERM; setsid sleep 1000 & echo ready; while :; do sleep 1000; done");
    let cookie = cookie_of(&command);
    let (ready, told) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let mut sink = Calling(move |_: &[u8]| {
        if let Some(ready) = ready.take() {
            ready.send(()).unwrap();
        }
        Next::Continue
    });
    let (limits, cancel) = (short(), CancellationToken::new());
    tokio::select! {
        exit = run(command, &limits, &cancel, &mut sink) => panic!("ended: {exit:?}"),
        _ = told => {}
    }
    assert!(crate::process::wait_gone(&survivors(&cookie), FOREVER).await);
    assert_nothing_left(&cookie).await;
}
