use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::process::{ProcessError, run};

async fn refusal(command: Command) -> ProcessError {
    let mut sink = Calling(|_: &[u8]| Next::Continue);
    run(command, &short(), &CancellationToken::new(), &mut sink).await.unwrap_err()
}

fn file(folder: &Path, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn each_reason_not_to_start_has_an_error_of_its_own_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plain = file(folder.path(), "plain", "#!/bin/sh\n", 0o644);
    let lost = file(folder.path(), "lost", "#!/no/such/interpreter\n", 0o755);
    let noise = file(folder.path(), "noise", "\u{1}\u{2}", 0o755);
    let here = |program: &Path| Command::new(program, folder.path());
    let path = folder.path().to_str().unwrap();
    let cases = [
        (here(&at("missing")), "was not found: install it"),
        (here(Path::new("./missing")), "was not found: install it"),
        (Command::new("missing-program", "/").env("PATH", path), "was not found in PATH (/"),
        (here(&plain), "may not be executed"),
        (Command::new("plain", "/").env("PATH", path), "may not be executed"),
        (here(folder.path()), "may not be executed"),
        (here(&lost), "the interpreter in its first line"),
        (here(&noise), "is not a program for this machine"),
        (Command::new("/bin/sh", at("missing")), "the directory must exist"),
        (Command::new("/bin/sh", &plain), "the directory must exist"),
        (here(Path::new("/bin/sh")).arg("x".repeat(4 << 20)), "pass large texts on standard input"),
        (here(Path::new("/bin/sh")).args(["a", "b\0c"]), "argument 2 holds a NUL byte"),
        (here(Path::new("/bin/sh")).env("A=B", "x"), "is no name for a variable"),
        (here(Path::new("/bin/sh")).env("", "x"), "is no name for a variable"),
        (here(Path::new("/bin/sh")).env("KEY", "hunter\0"), "the variable \"KEY\" holds a NUL byte"),
        (here(Path::new("")), "its name is empty"),
    ];
    for (command, expected) in cases {
        let shown = format!("{:?} in {:?}", command.program, command.cwd);
        let error = refusal(command).await.to_string();
        assert!(error.contains(expected), "{shown}: {error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[tokio::test]
async fn a_relative_entry_of_path_never_chooses_the_program() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "sh", "#!/bin/sh\necho planted\n", 0o755);
    for path in ["", ".", ":.:", "./"] {
        let command = Command::new("sh", folder.path()).env("PATH", path);
        assert!(matches!(refusal(command).await, ProcessError::NotFound { .. }), "PATH={path}");
    }
    let command = Command::new("sh", folder.path()).env("PATH", ".:/bin").args(["-c", "echo real"]);
    assert_eq!(captured(command, short()).await.stdout, b"real\n");
}

#[tokio::test]
async fn a_path_with_a_slash_is_taken_from_the_directory_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    file(folder.path(), "bin/tool", "#!/bin/sh\necho tool\n", 0o755);
    assert_eq!(captured(Command::new("bin/tool", folder.path()), short()).await.stdout, b"tool\n");
}

#[tokio::test]
async fn a_program_file_that_is_still_being_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "fresh", "#!/bin/sh\necho fresh\n", 0o755);
    let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let close = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(writer);
    };
    let (got, ()) = tokio::join!(captured(Command::new(&path, "/"), short()), close);
    assert_eq!(got.stdout, b"fresh\n");
}
