//! What stands in no source: prints, the environment, sleeps, unfinished work, checks that are switched off.

use crate::source::Source;

/// What a file is for; it decides what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A library, with its unit tests, or an integration test.
    Library,
    /// The library of the C interface.
    CInterface,
    /// A program a person uses: it prints and reads its environment.
    Program,
    /// A program the tests run: it may dawdle as well.
    TestProgram,
}

impl Role {
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("tests/src/bin/") {
            Self::TestProgram
        } else if path.starts_with("convoy-ffi/") {
            Self::CInterface
        } else if path.split('/').any(|folder| folder == "examples") {
            Self::Program
        } else {
            Self::Library
        }
    }
}

/// The longest a file may be, in lines.
const LONGEST: usize = 500;

/// The modules of the core in which a lint of `clippy.toml` may be lifted: each is the one place for something.
const MAY_LIFT: [&str; 5] = ["clock/", "process/", "git/", "engine/", "store/"];

/// What stands in one file only, and why it may.
const EXCEPTIONS: [(&str, &str); 6] = [
    // A thread that exists for nothing else than to try again until what was killed is gone.
    ("convoy-core/src/process/leader.rs", "sleep"),
    // A test that shows the list to whoever asks what is switched off.
    ("convoy-core/src/spec/inactive.rs", "println"),
    // A test that is told whether the file system of the temporary folder must be able to share blocks.
    ("convoy-core/src/git/plain/reflink.rs", "env"),
    // A test that is told how many histories to merge: more where there is time.
    ("convoy-core/src/git/tests/same.rs", "env"),
    // A build script, which Cargo talks to in this way; it is no part of the library.
    ("convoy-ffi/build.rs", "println"),
    ("convoy-ffi/build.rs", "env"),
];

/// Everything in a file that may not stand there.
pub(crate) fn violations(source: &Source) -> Vec<String> {
    let role = Role::of(&source.path);
    let mut found: Vec<String> = (0..source.tokens.len())
        .filter_map(|at| {
            let why = reason(source, at, role)?;
            Some(format!("{}: {why}", source.place(at)))
        })
        .collect();
    if source.lines > LONGEST {
        found.push(format!("{}: {} lines, at most {LONGEST}: split it by topic", source.path, source.lines));
    }
    found
}

/// Why the token may not stand there, if so.
fn reason(source: &Source, at: usize, role: Role) -> Option<String> {
    let library = matches!(role, Role::Library | Role::CInterface);
    let excepted = |what: &str| EXCEPTIONS.contains(&(source.path.as_str(), what));
    match source.window::<3>(at) {
        [name @ ("print" | "println" | "eprint" | "eprintln"), "!", _] if library && !excepted(name) => {
            Some(format!("`{name}!`: libraries and tests do not print"))
        }
        [name @ ("dbg" | "todo" | "unimplemented"), "!", _] => {
            Some(format!("`{name}!` is unfinished work: finish it, or refuse with an error"))
        }
        ["env", "::", name @ ("var" | "vars" | "var_os" | "vars_os")] if library && !excepted("env") => {
            Some(format!("`env::{name}`: the host passes the environment"))
        }
        ["thread", "::", "sleep"] if role != Role::TestProgram && !excepted("sleep") => {
            Some("`thread::sleep`: wait for what is awaited, on a paused clock where it is time".to_owned())
        }
        ["unsafe", ..] if role != Role::CInterface && !in_attribute(source, at) => {
            Some("`unsafe`: only the C interface needs it".to_owned())
        }
        ["allow", "(", _] if in_attribute(source, at) => {
            Some("`#[allow]`: mend the cause, or `#[expect]` it with a reason".to_owned())
        }
        ["ignore", ..] if in_attribute(source, at) => {
            Some("`#[ignore]`: a test that does not run shows nothing".to_owned())
        }
        ["disallowed_methods", ..] if !may_lift(source, at) => {
            Some("lifts a law of the house in a module that is not the place for it".to_owned())
        }
        _ => None,
    }
}

/// Whether the token stands in an attribute, as far down in it as may be.
fn in_attribute(source: &Source, at: usize) -> bool {
    let mut closed = 0_usize;
    for before in (0..at).rev() {
        match source.tokens[before].text.as_str() {
            ")" | "]" => closed += 1,
            "(" | "[" if closed > 0 => closed -= 1,
            "[" => {
                let hash = source.window(before.saturating_sub(1)) == ["#"];
                let inner = before >= 2 && source.window(before - 2) == ["#", "!"];
                return hash || inner;
            }
            "{" | "}" | ";" => return false,
            _ => {}
        }
    }
    false
}

/// Whether this is a place where the lint on methods may be lifted: outside of the core it is the file's own affair,
/// inside it is one of few modules, or a test.
fn may_lift(source: &Source, at: usize) -> bool {
    let Some(inside) = source.path.strip_prefix("convoy-core/src/") else { return true };
    let lifted =
        MAY_LIFT.iter().any(|module| inside.starts_with(module) || inside == module.replace('/', ".rs"));
    let in_tests =
        inside.contains("tests") || (0..at).any(|before| source.window(before) == ["cfg", "(", "test", ")"]);
    lifted || in_tests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        violations(&Source::parse(path, text))
    }

    #[test]
    fn what_may_not_stand_in_a_library_is_found() {
        let cases = [
            ("fn f() { println!(\"x\") }", "`println!`"),
            ("fn f() { std::print!(\"x\") }", "`print!`"),
            ("fn f() { eprintln!(\"x\") }", "`eprintln!`"),
            ("fn f() { eprint!(\"x\") }", "`eprint!`"),
            ("fn f() { dbg!(1); }", "`dbg!`"),
            ("fn f() { todo!() }", "`todo!`"),
            ("fn f() { unimplemented!() }", "`unimplemented!`"),
            ("fn f() { std::env::var(\"HOME\"); }", "`env::var`"),
            ("fn f() { std::env::vars_os(); }", "`env::vars_os`"),
            ("fn f() { std::thread::sleep(d) }", "`thread::sleep`"),
            ("#[allow(dead_code)] fn f() {}", "`#[allow]`"),
            ("#![allow(dead_code)]", "`#[allow]`"),
            ("#[cfg_attr(test, allow(dead_code))] fn f() {}", "`#[allow]`"),
            ("#[test]\n#[ignore]\nfn f() {}", "a.rs:2: `#[ignore]`"),
            ("#[ignore = \"slow\"] fn f() {}", "`#[ignore]`"),
            ("fn f() { unsafe { g() } }", "`unsafe`"),
        ];
        for (text, expected) in cases {
            for folder in ["convoy-core/src", "tests/end_to_end"] {
                let found = found(&format!("{folder}/a.rs"), text);
                assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn what_looks_like_it_is_not_found() {
        let text = "// todo!()\n#[expect(dead_code, reason = \"x\")]\nfn print(ignore: u8, allow: u8) { \
                    env!(\"VAR\"); f(println); tokio::time::sleep(d); a[allow(1)]; \"unsafe\"; }\n\
                    #[forbid(unsafe_code)] mod m {}";
        assert_eq!(found("convoy-core/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn programs_print_and_read_their_environment_and_few_may_sleep() {
        let text = "fn f() { println!(); std::env::var(\"HOME\"); }";
        let sleep = "fn f() { std::thread::sleep(d) }";
        let show = "convoy-core/examples/show.rs";
        for path in ["examples/convoy-cli/src/main.rs", show, "tests/src/bin/agent.rs"] {
            assert_eq!(found(path, text), [""; 0], "{path}");
            for text in ["fn f() { todo!() }", "#[allow(x)] fn f() {}", "fn f() { unsafe {} }"] {
                assert_eq!(found(path, text).len(), 1, "{path}: {text}");
            }
        }
        assert_eq!(found("examples/convoy-cli/src/main.rs", sleep).len(), 1);
        assert_eq!(found("tests/src/bin/agent.rs", sleep), [""; 0]);
        assert_eq!(found("convoy-core/src/process/leader.rs", sleep), [""; 0]);
        assert_eq!(found("convoy-core/src/process/leader.rs", text).len(), 2);
        assert_eq!(found("convoy-core/src/process/run.rs", sleep).len(), 1);
    }

    #[test]
    fn only_the_c_interface_is_unsafe() {
        let text = "#[unsafe(no_mangle)] pub unsafe extern \"C\" fn f() { unsafe {} }";
        assert_eq!(found("convoy-ffi/src/a.rs", text), [""; 0]);
        assert_eq!(found("convoy-core/src/a.rs", "unsafe fn f() {}").len(), 1);
    }

    #[test]
    fn a_law_is_lifted_only_in_its_place_and_in_tests() {
        let lift = "#[expect(clippy::disallowed_methods, reason = \"x\")] fn f() {}";
        let in_test = format!("#[cfg(test)] mod tests {{ {lift} }}");
        let cases = [
            ("convoy-core/src/plan/graph.rs", lift, 1),
            ("convoy-core/src/clockwork.rs", lift, 1),
            ("convoy-core/src/plan/graph.rs", in_test.as_str(), 0),
            ("convoy-core/src/plan/graph/tests.rs", lift, 0),
            ("convoy-core/src/clock.rs", lift, 0),
            ("convoy-core/src/process/run.rs", lift, 0),
            ("tests/ffi/main.rs", lift, 0),
        ];
        for (path, text, number) in cases {
            assert_eq!(found(path, text).len(), number, "{path}");
        }
    }

    #[test]
    fn a_file_of_more_than_500_lines_is_found() {
        assert_eq!(found("convoy-core/src/a.rs", &"\n".repeat(500)), [""; 0]);
        assert_eq!(
            found("convoy-core/src/a.rs", &"\n".repeat(501)),
            ["convoy-core/src/a.rs: 501 lines, at most 500: split it by topic"]
        );
    }
}
