//! What README.md shows is run again here, so that it stays true.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use convoy_tests::{ConvoyCmd, ScratchRepo};

const CONVOY: &str = env!("CARGO_BIN_EXE_convoy-under-test");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// The fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    let fence = format!("\n```{language}\n");
    while let Some(start) = rest.find(&fence) {
        let body = &rest[start + fence.len()..];
        // A fence of the text itself stands at the start of a line; one inside a block is indented.
        let end = body.find("\n```\n").expect("the block is closed");
        blocks.push(body[..=end].to_owned());
        rest = &body[end..];
    }
    blocks
}

#[test]
fn the_two_commands_are_the_documented_ones() {
    let shell = blocks("sh");
    assert_eq!(shell[0].trim(), "cargo run --release -p convoy-cli -- demo");
    assert_eq!(shell[1].trim(), "cargo test --workspace");
}

#[test]
fn the_convoy_file_checks_clean_and_runs() {
    let repo = ScratchRepo::new();
    let file = repo.beside("readme.convoy.yml");
    fs::write(&file, &blocks("yaml")[0]).expect("written");
    let convoy =
        |args: &[&str]| ConvoyCmd::new(CONVOY, &repo).args(args.iter().copied()).args([file.as_os_str()]);
    let checked = convoy(&["check", "--strict"]).run().expect_code(0);
    assert!(!checked.stdout.contains("warning:"), "{}", checked.stdout);
    convoy(&["run"]).run().expect_code(0);
    assert_eq!(repo.files("feature/search"), ["README.md", "SEARCH.md", "page", "src/index"]);
    repo.assert_sound_and_clean();
}

#[test]
fn the_rust_program_is_the_example() {
    let example = fs::read_to_string(root().join("examples/embed-rust/src/main.rs")).expect("the example");
    let lines = example.lines().filter(|line| !line.starts_with("//!") && !line.starts_with("#!["));
    let example = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(blocks("rust")[0].trim(), example.trim());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a compiler and a C program can only be run")]
fn the_c_program_compiles_with_the_documented_line_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("prog.c"), &blocks("c")[0]).expect("written");
    let libraries: PathBuf =
        std::env::current_exe().expect("this test").parent().expect("a folder").to_owned();
    let shell = blocks("sh");
    let line =
        shell.iter().flat_map(|block| block.lines()).find(|line| line.starts_with("cc ")).expect("the line");
    let words = line.split_whitespace().skip(1).map(|word| {
        let word = word.replace("target/release", &libraries.to_string_lossy());
        if word == "include" { root().join("include").into() } else { OsString::from(word) }
    });
    let compiled = Command::new("cc").args(words).current_dir(folder.path()).output().expect("cc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let program = folder.path().join("prog");
    let ran = Command::new(program).env_remove("LD_LIBRARY_PATH").output().expect("the program runs");
    let found = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && found.contains("unknown key"), "{found}");
}

#[test]
fn every_link_leads_somewhere() {
    let text = readme();
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 4, "{links:?}");
    for link in links {
        assert!(root().join(link).exists(), "{link}");
    }
}
