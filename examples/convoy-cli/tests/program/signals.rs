//! Ctrl-C: once ends gracefully, twice kills.

use std::io::Read;

use crate::place::{Place, ended, read_all};

#[test]
fn the_first_signal_ends_gracefully_and_the_run_can_be_resumed() {
    // Under `nohup` a hangup is ignored, here as in the program.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let hangs_up = u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 0);
    for signal in ["-INT", "-TERM"].into_iter().chain(hangs_up.then_some("-HUP")) {
        let place = Place::with_repo();
        for pipe in ["up", "never"] {
            place.pipe(pipe);
        }
        place.spec(&[
            ("a", "echo x > a", ""),
            (
                "b",
                "test -e $T/go || { echo up > $T/up; read line < $T/never; }\necho x > b",
                "depends_on: [a]",
            ),
        ]);
        let running = place.start(&["run", "convoy.yml", "--repo", "repo"]);
        assert_eq!(read_all(place.open("up")), "up\n");
        place.signal(&running, signal);
        let (code, out, err) = ended(running);
        assert_eq!(code, 130, "{out}{err}");
        assert!(err.contains("once more kills them at once"), "{err}");
        assert!(out.contains("interrupted: 1 of 2 tasks done, 1 open"), "{out}");
        assert!(out.contains("--repo repo resume convoy-"), "{out}");
        let (code, out, _) = place.convoy(&["status"]);
        assert!(code == 0 && out.contains("running, no engine runs it"), "{out}");
        place.write("go", "");
        let (code, out, err) = place.convoy(&["resume"]);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("all 2 tasks are done"), "{out}");
        assert_eq!((place.read("repo/a").as_str(), place.read("repo/b").as_str()), ("x\n", "x\n"));
    }
}

#[test]
fn the_second_signal_kills_at_once_what_does_not_want_to_end() {
    let place = Place::with_repo();
    for pipe in ["up", "never"] {
        place.pipe(pipe);
    }
    // It holds the pipe open until it is gone, and so do its children.
    let stubborn = "trap '' TERM INT\nexec 3> $T/up\necho up >&3\nwhile :; do read line < $T/never; done";
    place.spec(&[("a", stubborn, "")]);
    let running = place.start(&["run", "convoy.yml", "--repo", "repo", "--json"]);
    let mut up = place.open("up");
    let mut said = [0; 3];
    up.read_exact(&mut said).expect("it is up");
    place.signal(&running, "-INT");
    let mut child = running;
    let mut first = String::new();
    let mut errors = child.stderr.take().expect("piped");
    let mut byte = [0];
    while !first.ends_with('\n') {
        errors.read_exact(&mut byte).expect("the note on the first signal");
        first.push(char::from(byte[0]));
    }
    assert!(first.starts_with("Ctrl-C: ending the agents"), "{first}");
    place.signal(&child, "-INT");
    let (code, out, _) = ended(child);
    assert_eq!(code, 130, "{out}");
    assert!(out.lines().last().is_some_and(|line| line.contains(r#""kind":"killed""#)), "{out}");
    assert_eq!(read_all(up), "", "the agent is gone");
    assert_eq!(place.status()["status"], "running");
}
