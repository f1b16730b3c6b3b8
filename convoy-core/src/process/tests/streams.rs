use std::ffi::OsString;

use super::*;
use crate::process::{COOKIE, Status, run, start_time};

#[tokio::test]
async fn a_program_gets_its_arguments_directory_and_exactly_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("/usr/bin/env", folder.path()).args(["sh", "-c", "pwd -P; env; exit 3"]);
    command = command.env("PATH", "/usr/bin:/bin").env("A", "b c").env("PWD", "unset");
    command.cookie = Some("run/task/1".into());
    let got = captured(command, short()).await;
    let text = String::from_utf8(got.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.remove(0), folder.path().canonicalize().unwrap().to_str().unwrap());
    // The shell sets these itself; the mark of the run is the one variable more than what was given.
    lines.retain(|line| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_=", "CONVOY_PROCESS="].iter().any(|own| line.starts_with(own))
    });
    lines.sort_unstable();
    assert_eq!(lines, ["A=b c", &format!("{COOKIE}=run/task/1"), "PATH=/usr/bin:/bin"]);
    assert_eq!((got.exit.status, got.exit.stopped, got.exit.killed), (Status::Code(3), None, false));
}

#[tokio::test]
async fn without_a_cookie_the_environment_is_what_was_given_and_nothing_more() {
    let command = Command::new("/usr/bin/env", "/").env("ONLY", "this");
    assert_eq!(captured(command, short()).await.stdout, b"ONLY=this\n");
}

#[tokio::test]
async fn both_streams_are_kept_apart_and_a_signal_is_no_exit_code() {
    let got = captured(script("echo out; echo err >&2; kill -9 $$"), short()).await;
    assert_eq!((got.stdout.as_slice(), got.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(got.exit.status, Status::Signal(9));
    assert!(!got.exit.success() && !got.exit.killed && got.exit.stopped.is_none());
}

#[tokio::test]
async fn without_input_the_program_reads_the_null_device() {
    let got = captured(script("read line && echo got || echo end"), short()).await;
    assert_eq!(got.stdout, b"end\n");
}

#[tokio::test]
async fn a_prompt_of_megabytes_reaches_a_program_that_answers_while_it_reads() {
    let mut command = script("cat");
    command.stdin = (0..4 << 20).map(|i: u32| (i % 251) as u8).collect();
    let (prompt, limits) = (command.stdin.clone(), short());
    let got = capture(command, &limits, &CancellationToken::new(), 8 << 20).await.unwrap();
    assert!(got.stdout == prompt, "{} bytes came back", got.stdout.len());
    assert!(!got.truncated && got.exit.success());
}

#[tokio::test]
async fn a_program_that_never_reads_its_prompt_ends_as_it_likes() {
    for text in ["exit 4", "exec 0<&-; echo closed; exit 4", "head -c 10 >/dev/null; exit 4"] {
        let mut command = script(text);
        command.stdin = vec![b'p'; 4 << 20];
        let got = captured(command, short()).await;
        assert_eq!((got.exit.status, got.exit.stopped), (Status::Code(4), None), "{text}");
    }
}

#[tokio::test]
async fn a_flood_passes_through_in_small_pieces() {
    struct Count(u64, usize);
    impl Sink for Count {
        fn output(&mut self, _: Stream, chunk: &[u8]) -> Next {
            self.0 += chunk.len() as u64;
            self.1 = self.1.max(chunk.len());
            Next::Continue
        }
    }
    let mut count = Count(0, 0);
    let command = script("head -c 104857600 /dev/zero");
    let exit = run(command, &short(), &CancellationToken::new(), &mut count).await.unwrap();
    assert!(exit.success(), "{exit:?}");
    assert_eq!(count.0, 100 << 20);
    assert!(count.1 <= 64 << 10);
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_said() {
    let command = script("head -c 200000 /dev/zero; exit 5");
    let got = capture(command, &short(), &CancellationToken::new(), 100_000).await.unwrap();
    assert_eq!((got.stdout.len(), got.truncated, got.exit.status), (100_000, true, Status::Code(5)));
    let got = capture(script("printf 12345"), &short(), &CancellationToken::new(), 5).await.unwrap();
    assert_eq!((got.stdout.as_slice(), got.truncated), (&b"12345"[..], false));
}

#[tokio::test]
async fn the_sink_learns_who_was_started() {
    struct Started(Option<(u32, Option<u64>)>, bool);
    impl Sink for Started {
        fn started(&mut self, pid: u32, time: Option<u64>) {
            self.1 = start_time(pid) == time;
            self.0 = Some((pid, time));
        }
        fn output(&mut self, _: Stream, chunk: &[u8]) -> Next {
            let pid: u32 = String::from_utf8_lossy(chunk).trim().parse().unwrap();
            assert_eq!(self.0.map(|(started, _)| started), Some(pid));
            Next::Continue
        }
    }
    let mut sink = Started(None, false);
    run(script("echo $$"), &short(), &CancellationToken::new(), &mut sink).await.unwrap();
    assert!(sink.0.is_some() && sink.1);
}

#[tokio::test]
async fn arguments_are_passed_on_byte_by_byte() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(vec![b'$', b'(', b'x', b')', b' ', b'\n', 0xff]);
    let command = Command::new("printf", "/").args([OsString::from("%s"), odd.clone()]);
    assert_eq!(captured(command, short()).await.stdout, odd.into_vec());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_programs_run_at_once_on_several_threads() {
    let mut running = tokio::task::JoinSet::new();
    for i in 0..40 {
        running.spawn(async move { captured(script(&format!("echo {i}; echo {i} >&2")), short()).await });
    }
    let mut printed = Vec::new();
    while let Some(got) = running.join_next().await {
        let got = got.unwrap();
        assert!(got.exit.success() && got.exit.left_behind == 0 && got.stdout == got.stderr, "{got:?}");
        printed.push(String::from_utf8(got.stdout).unwrap().trim().parse::<u32>().unwrap());
    }
    printed.sort_unstable();
    assert_eq!(printed, (0..40).collect::<Vec<_>>());
}
