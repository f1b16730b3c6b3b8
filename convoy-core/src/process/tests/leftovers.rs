use super::*;
use crate::process::{Status, run, start_time, wait_gone};

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_and_never_hangs_the_reading() {
    for (left, killed) in [
        ("sleep 1000 &", false),
        ("(trap '' TERM; while :; do sleep 1000; done) &", true),
        ("setsid sleep 1000 &", false),
        ("(setsid sh -c 'sleep 1000; :' >/dev/null 2>&1 </dev/null &)", false),
        ("setsid sh -c 'trap \"\" TERM; sleep 1000; :' >/dev/null 2>&1 &", true),
        // Long after the start, when the process ids can no longer be told to be new.
        ("sleep 0.3; (setsid sleep 1000 >/dev/null 2>&1 &)", false),
    ] {
        // `setsid` leaves the group as its own next step: until then it is found as a member of the group.
        let command = script(&format!("{left}\necho said; sleep 0.05; exit 2"));
        let cookie = cookie_of(&command);
        let got = captured(command, short()).await;
        assert_nothing_left(&cookie).await;
        assert_eq!(got.stdout, b"said\n", "{left}");
        assert_eq!((got.exit.status, got.exit.stopped), (Status::Code(2), None), "{left}");
        assert!(got.exit.left_behind >= 1, "{left}: {:?}", got.exit);
        assert_eq!(got.exit.killed, killed, "{left}");
    }
}

#[tokio::test]
async fn a_program_that_leaves_nothing_behind_is_said_to() {
    let got = captured(script("sh -c 'exit 0' & wait; exit 0"), short()).await;
    assert_eq!((got.exit.left_behind, got.exit.killed), (0, false));
}

#[tokio::test]
async fn a_stranger_that_holds_the_pipe_does_not_hang_the_reading() {
    // Without its marks and out of the group, nobody can tell whose it is; it ends itself.
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let text = format!(
        "mkfifo '{0}'; setsid sh -c 'read line < {0}' & sleep 0.1; echo said; exit 0",
        fifo.display()
    );
    let mut command = script(&text);
    command.cookie = None;
    let got = captured(command, short()).await;
    assert_eq!(got.stdout, b"said\n");
    tokio::fs::write(&fifo, "go\n").await.unwrap();
}

#[tokio::test]
async fn another_program_of_the_same_attempt_is_left_alone() {
    let other = script("echo ready; read line; echo $line");
    let cookie = cookie_of(&other);
    let first = async {
        let mut quick = script("sleep 1000 & setsid sleep 1000 & exit 0");
        quick.cookie = Some(cookie.clone());
        captured(quick, short()).await.exit
    };
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let mut waiting = script(&format!("mkfifo '{0}'; echo ready; read line < '{0}'; exit 9", fifo.display()));
    waiting.cookie = Some(cookie.clone());
    let (ready, told) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let mut sink = Calling(move |_: &[u8]| {
        if let Some(ready) = ready.take() {
            ready.send(()).unwrap();
        }
        Next::Continue
    });
    let (limits, cancel) = (short(), CancellationToken::new());
    let second = run(waiting, &limits, &cancel, &mut sink);
    let (first, second) = tokio::join!(
        async {
            told.await.unwrap();
            let exit = first.await;
            tokio::fs::write(&fifo, "go\n").await.unwrap();
            exit
        },
        second
    );
    assert!(first.left_behind >= 1, "{first:?}");
    assert_eq!(second.unwrap().status, Status::Code(9));
    assert_nothing_left(&cookie).await;
}

/// A program started as by an engine that then died: nobody follows it.
#[expect(clippy::disallowed_methods, reason = "stands for an engine that is no more")]
fn orphan(text: &str, cookie: &str) -> std::process::Child {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", text]).env(crate::process::COOKIE, cookie).process_group(0);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).spawn().unwrap()
}

fn wait_ready(child: &mut std::process::Child) {
    use std::io::Read;
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
}

#[tokio::test]
async fn survivors_are_found_by_the_beginning_of_their_cookie_and_ended() {
    let run = new_mark();
    let (mine, other) = (format!("{run}/a/1"), format!("other-{run}"));
    let mut first = orphan("trap '' TERM; setsid sleep 1000 & echo; while :; do sleep 1000; done", &mine);
    let mut second = orphan("echo; exec sleep 1000", &other);
    wait_ready(&mut first);
    wait_ready(&mut second);

    let found = survivors(&format!("{run}/"));
    assert!(found.iter().all(|one| one.cookie == mine && start_time(one.pid) == Some(one.start_time)));
    assert!(found.iter().any(|one| one.pid == first.id()), "{found:?}");
    assert!(!wait_gone(&found, Duration::from_millis(20)).await);

    assert_eq!(end(found.clone(), SHORT).await, []);
    assert!(wait_gone(&found, Duration::ZERO).await);
    assert_eq!(survivors(&run), []);

    let left = survivors(&other);
    assert_eq!(left.iter().map(|one| one.pid).collect::<Vec<_>>(), [second.id()]);
    assert_eq!(end(left, FOREVER).await, []);
    assert!(first.wait().is_ok() && second.wait().is_ok());
}

#[tokio::test]
async fn a_process_id_that_was_given_to_another_is_left_alone() {
    let cookie = new_mark();
    let mut child = orphan("echo; exec sleep 1000", &cookie);
    wait_ready(&mut child);
    let stale = Survivor { pid: child.id(), start_time: 1, cookie: "gone".into() };
    assert!(wait_gone(std::slice::from_ref(&stale), Duration::ZERO).await);
    assert_eq!(end(vec![stale], Duration::ZERO).await, []);
    assert!(child.try_wait().unwrap().is_none(), "the wrong process was ended");
    assert_eq!(end(survivors(&cookie), FOREVER).await, []);
    child.wait().unwrap();
}
