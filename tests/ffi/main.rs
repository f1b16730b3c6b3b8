//! The C interface from outside: its header, its symbols, and a C program that uses it.
//!
//! The C compiler is `cc`, which every machine that links Rust programs on Unix has.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use convoy_tests::ScratchRepo;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

/// The folder with the shared library that was built together with this test.
fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    test.parent().expect("in a folder").to_owned()
}

fn library() -> PathBuf {
    let name = format!("{}convoy{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = library_folder().join(name);
    assert!(library.exists(), "there is no {}: run the tests of the whole package", library.display());
    library
}

/// Runs a program that must be there. The library path that Cargo sets is taken away: the programs find the library
/// by themselves.
#[expect(clippy::disallowed_methods, reason = "compilers and C programs can only be run")]
fn run<I: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = I>) -> Output {
    let program = program.as_ref();
    Command::new(program)
        .args(arguments)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap_or_else(|error| panic!("install {}, these tests need it: {error}", program.display()))
}

/// What a program printed that has nothing but the environment of a scratch repository; it must succeed.
#[expect(clippy::disallowed_methods, reason = "C programs can only be run")]
fn within<I: AsRef<OsStr>>(
    repo: &ScratchRepo,
    program: &Path,
    arguments: impl IntoIterator<Item = I>,
) -> String {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).env_clear().envs(repo.environment()).output().expect("it was compiled");
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the program printed; it must succeed.
fn printed<I: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = I>) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Compiles a C program of `tests/c` against the library of this build.
fn c_program(folder: &Path, name: &str) -> PathBuf {
    let program = folder.join(name);
    let source = root().join("tests/c").join(name).with_extension("c");
    let library_folder = library().parent().expect("in a folder").to_owned();
    let mut rpath = std::ffi::OsString::from("-Wl,-rpath,");
    rpath.push(&library_folder);
    let mut arguments: Vec<std::ffi::OsString> =
        ["-std=c99", "-pthread", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"].map(Into::into).to_vec();
    arguments.extend([root().join("include").into(), source.into()]);
    arguments.extend(["-o".into(), program.clone().into()]);
    arguments.extend(["-L".into(), library_folder.into(), "-lconvoy".into(), rpath]);
    printed("cc", arguments);
    program
}

#[test]
fn the_header_is_the_one_that_the_sources_give() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = folder.path().join("convoy.h");
    printed(env!("CARGO_BIN_EXE_gen-header"), [&fresh]);
    let fresh = fs::read_to_string(fresh).expect("the header just made");
    let committed = fs::read_to_string(root().join("include/convoy.h")).expect("the committed header");
    let difference = fresh.lines().zip(committed.lines()).find(|(fresh, committed)| fresh != committed);
    assert!(
        fresh == committed,
        "include/convoy.h is out of date: cargo run -p convoy-tests --bin gen-header; first difference: {difference:#?}"
    );
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let listed = printed("nm", [OsStr::new("-D"), OsStr::new("--defined-only"), library().as_os_str()]);
    let exported: BTreeSet<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();

    let header = fs::read_to_string(root().join("include/convoy.h")).expect("the committed header");
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/']));
    let declared: BTreeSet<String> = code
        .filter_map(|line| {
            let before = line.split_once('(')?.0;
            Some(before.rsplit([' ', '*']).next()?.to_owned())
        })
        .filter(|name| name.starts_with("convoy_"))
        .collect();

    assert!(declared.contains("convoy_version"), "the header could not be read: {declared:?}");
    assert_eq!(exported, declared.iter().map(String::as_str).collect());
}

#[test]
fn a_c_program_gets_a_status_for_everything_it_does_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    printed(c_program(folder.path(), "check_spec"), [""; 0]);
}

#[test]
fn a_c_program_is_told_the_same_problems_as_a_rust_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = c_program(folder.path(), "check_spec");
    let texts = [
        "name: c\ntasks:\n  - id: a\n    prompt: do it\n",
        "name: c\ntasks:\n  - id: a\n    promt: \"gr\u{fc}n \\\"quoted\\\"\"\n  - id: a\n    prompt: x\n    timeout: soon\n",
        "name: c\ntasks:\n  - id: a\n    prompt: x\n    depends_on: [b]\n",
        "]]]]\n",
        "",
    ];
    for text in texts {
        let file = folder.path().join("c.convoy.yml");
        fs::write(&file, text).expect("a file");
        let through_c: serde_json::Value = serde_json::from_str(&printed(&program, [&file])).expect("JSON");

        let checked = convoy_core::plan::check(text);
        assert_eq!(through_c["ok"], checked.is_ok(), "{text}");
        let expected: Vec<_> = checked
            .problems
            .iter()
            .map(|problem| {
                let mut expected = serde_json::json!({
                    "severity": if problem.is_error() { "error" } else { "warning" },
                    "line": problem.line,
                    "column": problem.column,
                    "path": problem.path,
                    "message": problem.message,
                });
                if let Some(hint) = &problem.hint {
                    expected["hint"] = hint.as_str().into();
                }
                expected
            })
            .collect();
        assert_eq!(through_c["problems"], serde_json::Value::Array(expected), "{text}");
    }
}

#[test]
fn a_c_program_runs_a_whole_convoy_with_an_agent_of_its_own() {
    let repo = ScratchRepo::new();
    let program = c_program(&repo.beside(""), "run_convoy");
    let events = within(&repo, &program, [repo.root()]);
    let landed =
        ["convoy_started", "task_agent_ended", "task_done", "merge_done", "convoy_finished", "run_ended"];
    for kind in landed {
        assert!(events.lines().any(|line| line == kind), "no {kind} in {events}");
    }
    assert_eq!(events.lines().last(), Some("run_ended"));
    for file in ["one.txt", "two.txt"] {
        assert_eq!(repo.git(["show", &format!("main:{file}")]), "written in C");
    }
}

#[test]
fn a_build_that_would_abort_on_a_panic_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = root().join("convoy-ffi/src/lib.rs");
    let refusal = "a panic is reported to the host";
    for (strategy, refused) in [("panic=abort", true), ("panic=unwind", false)] {
        let arguments =
            ["--edition=2024", "--crate-type=lib", "--emit=metadata", "-C", strategy, "--out-dir"];
        let arguments =
            arguments.iter().map(OsStr::new).chain([folder.path().as_os_str(), source.as_os_str()]);
        // It fails either way: the crates it uses are not given. What matters is whether it says this.
        let output = run("rustc", arguments);
        assert_eq!(
            String::from_utf8_lossy(&output.stderr).contains(refusal),
            refused,
            "{strategy}: {output:?}"
        );
    }
}
