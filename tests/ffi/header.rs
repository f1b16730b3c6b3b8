//! The header, the symbols and the sizes: what a host is compiled against.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

use crate::support::{c_program, library, printed, root, run};

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

/// The functions of a header, each with the lines of its comment.
fn commented(header: &str) -> Vec<(String, Vec<&str>)> {
    let (mut found, mut comment) = (Vec::new(), Vec::new());
    for line in header.lines() {
        let text = line.trim();
        if text == "/**" {
            comment.clear();
        } else if let Some(text) = text.strip_prefix('*').filter(|text| !text.starts_with('/')) {
            comment.push(text.trim_start());
        } else if let Some((before, _)) = line.split_once('(')
            && let Some(name) = before.rsplit([' ', '*']).next()
            && name.starts_with("convoy_")
        {
            found.push((name.to_owned(), std::mem::take(&mut comment)));
        }
    }
    found
}

#[test]
fn every_function_says_who_owns_what_who_may_call_it_and_how_it_fails() {
    let header = fs::read_to_string(root().join("include/convoy.h")).expect("the committed header");
    let functions = commented(&header);
    let symbols = fs::read_to_string(root().join("convoy-ffi/symbols.txt")).expect("the symbols");
    assert_eq!(functions.len(), symbols.lines().count(), "{functions:?}");
    for (name, comment) in functions {
        // Each begins a line, and goes on until the next, an empty line or the end.
        let said = |label: &str, next: Option<&str>| {
            let starts: Vec<usize> =
                (0..comment.len()).filter(|at| comment[*at].starts_with(label)).collect();
            let [start] = starts[..] else { panic!("{name}: {} lines begin with {label:?}", starts.len()) };
            let ends = |line: &&str| line.is_empty() || next.is_some_and(|next| line.starts_with(next));
            let lines: Vec<&str> = comment[start..].iter().copied().take_while(|line| !ends(line)).collect();
            lines.join(" ")
        };
        let owned = said("Ownership: ", Some("Threads: "));
        let threads = said("Threads: ", Some("Errors: "));
        let errors = said("Errors: ", None);
        for text in [&owned, &threads, &errors] {
            assert!(text.ends_with('.') && text.len() > "Errors: .".len(), "{name}: {text}");
        }
        let who = threads.trim_start_matches("Threads: ");
        assert!(who.starts_with("any") || who.starts_with("one call at a time on one"), "{name}: {threads}");
        assert!(who.contains("Does not wait.") != who.contains("Waits "), "{name} waits or not: {threads}");
        let named = |word: &&str| errors.contains(word);
        let known = ["CONVOY_", "those of `convoy_", "the mistakes in the call", "Errors: none."];
        assert!(known.iter().any(named), "{name}: {errors}");
    }
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

/// What the header declares, without its comments: one declaration a line.
fn declarations(header: &str) -> String {
    let lines = header.lines().map(str::trim).filter(|line| !line.starts_with(['*', '/', '#']));
    let mut text = String::new();
    for line in lines.filter(|line| !line.is_empty()) {
        text.push_str(line);
        text.push(if line.ends_with([';', '}']) { '\n' } else { ' ' });
    }
    text
}

/// Compares with a file that is kept in the repository; says how to bring it up to date.
fn must_be_kept(file: &str, fresh: &str) {
    let path = root().join(file);
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept == fresh {
        return;
    }
    let proposal = std::env::temp_dir().join(format!("convoy-{}", file.replace('/', "-")));
    fs::write(&proposal, fresh).expect("a temporary file");
    let difference: Vec<_> =
        fresh.lines().zip(kept.lines()).find(|(fresh, kept)| fresh != kept).into_iter().collect();
    panic!(
        "{file} is out of date, first: {difference:?}. If nothing but additions were made: cp {} {}; otherwise \
         raise CONVOY_ABI_VERSION as well",
        proposal.display(),
        path.display()
    );
}

#[test]
fn what_hosts_are_compiled_against_is_what_was_promised() {
    let folder = tempfile::tempdir().expect("a folder");
    let sizes = printed(c_program(folder.path(), "sizes"), [""; 0]);
    let header = fs::read_to_string(root().join("include/convoy.h")).expect("the committed header");
    must_be_kept("convoy-ffi/abi.txt", &format!("{sizes}\n{}", declarations(&header)));
}

#[test]
fn the_symbols_are_those_that_were_promised() {
    let listed = printed("nm", [OsStr::new("-D"), OsStr::new("--defined-only"), library().as_os_str()]);
    let exported: BTreeSet<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let fresh: String = exported.iter().map(|name| format!("{name}\n")).collect();
    must_be_kept("convoy-ffi/symbols.txt", &fresh);
}

#[test]
fn a_program_that_closes_the_library_does_not_take_the_code_from_its_threads() {
    let tags = printed("readelf", [OsStr::new("-d"), library().as_os_str()]);
    assert!(tags.lines().any(|tag| tag.contains("FLAGS") && tag.contains("NODELETE")), "{tags}");
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
