//! What an attempt leaves for other tasks: taken where its tree is taken, stored as objects of the repository.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use rustix::fs::OFlags;

use super::context::Context;
use super::log::last_bytes;
use super::snapshot::TakeRequest;
use crate::git::{Expected, GitError, RefUpdate};
use crate::secret::{Redactor, printable};
use crate::spec::{Output, Task};
use crate::types::{Artifact, ArtifactKind, AttemptNo, Failure, FailureKind, MOST_ARTIFACT_BYTES, TaskIx};

/// How much of what the agent said is a summary, in bytes.
const SUMMARY: usize = 4096;

/// What an attempt left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What is stored; nothing when something is wrong.
    pub(super) artifacts: Vec<Artifact>,
    /// What is missing, invalid or too large.
    pub(super) unfit: Option<Failure>,
}

/// The content of an artifact.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    /// It is what the agent said in place of a file.
    no_file: bool,
}

impl Content {
    fn said(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), no_file: false }
    }
}

/// Keeps what the agent said until the tree is taken: the engine may die in between.
pub(super) fn keep_said(
    context: &Context,
    task: TaskIx,
    attempt: AttemptNo,
    text: &str,
) -> Result<(), io::Error> {
    if context.plan.spec_of(task).outputs.is_empty() {
        return Ok(());
    }
    let path = context.dirs.said(&context.plan, task, attempt);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Takes and stores the artifacts of an attempt whose agent succeeded. Nothing runs in its worktree any more.
pub(super) async fn leave(context: &Context, request: &TakeRequest, tree: &Path) -> Result<Left, GitError> {
    let task = context.plan.spec_of(request.task);
    if task.outputs.is_empty() {
        return Ok(Left::default());
    }
    // What is said while a conflict is resolved is about that: what the work itself said stands.
    let resolves = request.conflict.is_some();
    let found = said(context, request).map_err(|error| vec![format!("what the agent said: {error}")]);
    let found = found.and_then(|said| find_all(task, tree, &said, resolves));
    let contents = match found {
        Ok(contents) => contents,
        Err(wrong) => {
            let list = format!("the task did not leave the artifacts that it must: {}", wrong.join("; "));
            let message = context.redactor.clean(&list);
            let unfit = Some(Failure::new(FailureKind::Artifact, message));
            return Ok(Left { artifacts: Vec::new(), unfit });
        }
    };
    let mut left = Left::default();
    for (at, content) in contents {
        let (name, kind) = (task.outputs[at].name.clone(), task.outputs[at].kind);
        let bytes = redacted(&context.redactor, &content.bytes);
        let oid = context.repository.write_blob(&bytes).await?;
        let keep = context.dirs.artifact_ref(&context.plan, request.task, request.attempt, at);
        match context.repository.update_ref(&keep, &oid, Expected::Any, "convoy: artifact").await? {
            RefUpdate::Done | RefUpdate::Moved { .. } => {}
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        left.artifacts.push(Artifact { name, kind, size, oid, no_file: content.no_file });
    }
    Ok(left)
}

fn said(context: &Context, request: &TakeRequest) -> Result<String, io::Error> {
    match fs::read(context.dirs.said(&context.plan, request.task, request.attempt)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn redacted(redactor: &Redactor, bytes: &[u8]) -> Vec<u8> {
    // Escape sequences in a secret hide it from a redactor, and from nobody else.
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Cow::Owned(shown) = printable(text)
        && redactor.scan(&shown).len() > redactor.scan(text).len()
    {
        return redactor.clean(text).into_bytes();
    }
    let (mut stream, mut clean) = (redactor.stream(), Vec::with_capacity(bytes.len()));
    stream.push(bytes, &mut clean);
    stream.finish(&mut clean);
    clean
}

/// The content of every output by its position, or everything that is wrong.
fn find_all(
    task: &Task,
    tree: &Path,
    said: &str,
    resolves: bool,
) -> Result<Vec<(usize, Content)>, Vec<String>> {
    let (mut contents, mut wrong) = (Vec::new(), Vec::new());
    for (at, output) in task.outputs.iter().enumerate() {
        match find(output, tree, said, resolves) {
            Ok(content) => contents.extend(content.map(|content| (at, content))),
            Err(why) => wrong.push(format!("{} {}: {why}", output.kind, output.name)),
        }
    }
    if wrong.is_empty() { Ok(contents) } else { Err(wrong) }
}

/// The content of an output; `None`: the one that was taken before stands.
fn find(output: &Output, tree: &Path, said: &str, resolves: bool) -> Result<Option<Content>, String> {
    if resolves && output.kind != ArtifactKind::File {
        return Ok(None);
    }
    if output.kind == ArtifactKind::File {
        for path in output.path.as_deref().into_iter().chain([output.name.as_str()]) {
            if let Some(bytes) = read_beneath(tree, path)? {
                return Ok(Some(Content { bytes, no_file: false }));
            }
        }
        if resolves {
            return Ok(None);
        }
    }
    let nothing = said.trim().is_empty();
    match output.kind {
        ArtifactKind::File if nothing => {
            let path = output.path.as_deref().unwrap_or(&output.name);
            Err(format!("there is no file {path}, and the agent said nothing"))
        }
        _ if nothing => Err("the agent said nothing".to_owned()),
        ArtifactKind::File => Ok(Some(Content { no_file: true, ..Content::said(said) })),
        ArtifactKind::Summary => Ok(Some(Content::said(&last_bytes(said.to_owned(), SUMMARY)))),
        ArtifactKind::Json => {
            let text = last_json_block(said).unwrap_or(said).trim();
            match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(Some(Content::said(text))),
                Err(error) => Err(format!("what the agent said last as JSON is none: {error}")),
            }
        }
    }
}

/// The content of the last fenced block that is marked as JSON. One that is not closed ends with the text.
fn last_json_block(text: &str) -> Option<&str> {
    let (mut last, mut open): (Option<&str>, Option<(usize, usize, bool)>) = (None, None);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let bare = line.trim();
        let ticks = bare.len() - bare.trim_start_matches('`').len();
        let mark = bare[ticks..].trim();
        match open {
            Some((fence, from, is_json)) if ticks >= fence && mark.is_empty() => {
                if is_json {
                    last = Some(&text[from..start]);
                }
                open = None;
            }
            Some(_) => {}
            None if ticks >= 3 => {
                let word = mark.split_whitespace().next().unwrap_or_default();
                open = Some((ticks, end, word.eq_ignore_ascii_case("json")));
            }
            None => {}
        }
    }
    match open {
        Some((_, from, true)) => Some(&text[from..]),
        _ => last,
    }
}

/// The content of a regular file of the tree; `None` when nothing is at that path. Links are followed only as far
/// as they stay within the tree: what they lead to is looked up now, when nothing runs there any more.
fn read_beneath(tree: &Path, path: &str) -> Result<Option<Vec<u8>>, String> {
    let relative = Path::new(path);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || path.contains('\0') || !relative.components().all(plain) {
        return Ok(None);
    }
    let at = tree.join(relative);
    match fs::symlink_metadata(&at) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) if error.kind() == ErrorKind::InvalidFilename => return Ok(None),
        _ => {}
    }
    let told = |error: io::Error| format!("{path} cannot be read: {error}");
    let root = fs::canonicalize(tree).map_err(told)?;
    let real = fs::canonicalize(&at).map_err(told)?;
    let inside = real.strip_prefix(&root).ok().filter(|inside| !inside.starts_with(".git"));
    if inside.is_none() {
        return Err(format!("{path} leads out of the worktree"));
    }
    // A pipe that nobody writes to must not be waited for.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits()).unwrap_or(0);
    let mut open = OpenOptions::new();
    let file = match fs::symlink_metadata(&real).map_err(told)?.is_file() {
        true => open.read(true).custom_flags(flags).open(&real).map_err(told)?,
        false => return Err(format!("{path} is no regular file")),
    };
    let about = file.metadata().map_err(told)?;
    if !about.is_file() {
        return Err(format!("{path} is no regular file"));
    }
    let limit = u64::try_from(MOST_ARTIFACT_BYTES).unwrap_or(u64::MAX);
    if about.len() > limit {
        return Err(format!("{path} has {} bytes; an artifact has at most {limit} (1 MiB)", about.len()));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(told)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn output(kind: ArtifactKind, path: Option<&str>) -> Output {
        Output { name: "plan".into(), kind, path: path.map(str::to_owned), description: None }
    }

    fn text(found: Result<Option<Content>, String>) -> Result<String, String> {
        found.map(|content| {
            let content = content.expect("something");
            let mark = if content.no_file { "said: " } else { "" };
            format!("{mark}{}", String::from_utf8(content.bytes).expect("text"))
        })
    }

    #[test]
    fn a_file_is_taken_from_its_path_else_its_name_else_from_what_was_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        fs::create_dir_all(tree.join("sub")).expect("made");
        fs::write(&outside, "secret of others").expect("written");
        fs::write(tree.join("sub/at"), "by path").expect("written");
        fs::write(tree.join("large"), vec![b'x'; MOST_ARTIFACT_BYTES + 1]).expect("written");
        fs::write(tree.join("full"), vec![b'x'; MOST_ARTIFACT_BYTES]).expect("written");
        fs::write(tree.join(".git"), "gitdir: elsewhere").expect("written");
        symlink("sub/at", tree.join("link")).expect("linked");
        symlink("../outside", tree.join("out")).expect("linked");
        symlink("nowhere", tree.join("dangling")).expect("linked");
        symlink("..", tree.join("up")).expect("linked");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a pipe");
        let take = |path: Option<&str>, said: &str| {
            text(find(&output(ArtifactKind::File, path), &tree, said, false))
        };
        let wrong = |path: &str, why: &str| {
            let error = take(Some(path), "said").expect_err(path);
            assert!(error.contains(why), "{path}: {error}");
        };
        assert_eq!(take(Some("sub/at"), "x"), Ok("by path".into()));
        assert_eq!(take(Some("./link"), "x"), Ok("by path".into()), "a link within the tree");
        assert_eq!(take(Some("full"), "x").map(|text| text.len()), Ok(MOST_ARTIFACT_BYTES));
        assert_eq!(take(Some("none"), "what I say"), Ok("said: what I say".into()));
        assert_eq!(take(Some("../outside"), "x"), Ok("said: x".into()), "no such path in the tree");
        let nothing = take(Some("none"), " \n").expect_err("nothing");
        assert_eq!(nothing, "there is no file none, and the agent said nothing");
        for path in ["out", "up/outside", ".git"] {
            wrong(path, "leads out of the worktree");
        }
        wrong("dangling", "cannot be read");
        for path in ["sub", "pipe"] {
            wrong(path, "is no regular file");
        }
        wrong("large", "has 1048577 bytes; an artifact has at most 1048576 (1 MiB)");
        fs::write(tree.join("plan"), "by name").expect("written");
        assert_eq!(take(None, "x"), Ok("by name".into()));
        assert_eq!(take(Some("none"), "x"), Ok("by name".into()));
        assert_eq!(take(Some("sub/at"), "x"), Ok("by path".into()));
    }

    #[test]
    fn a_summary_is_the_end_of_what_was_said() {
        let take = |said: &str| text(find(&output(ArtifactKind::Summary, None), Path::new("/"), said, false));
        assert_eq!(take("all of it\n"), Ok("all of it\n".into()));
        assert_eq!(take("\n "), Err("the agent said nothing".into()));
        let cut = take(&format!("{}é{}", "a".repeat(9000), "b".repeat(SUMMARY - 6))).expect("cut");
        assert!(cut.starts_with("[…]") && cut.ends_with("bbb") && cut.len() <= SUMMARY, "{}", cut.len());
    }

    #[test]
    fn json_is_the_last_block_that_is_marked_so_else_everything() {
        let take = |said: &str| text(find(&output(ArtifactKind::Json, None), Path::new("/"), said, false));
        let cases = [
            (" {\"a\": [1]}\n", Ok("{\"a\": [1]}")),
            ("first\n```json\n1\n```\nthen\n  ```JSON x\n{\"b\": 2}\n  ```\nend", Ok("{\"b\": 2}")),
            ("````md\n```json\n1\n```\n````\n```json\n2\n```", Ok("2")),
            ("```\n[3]\n```", Err(())),
            ("```json\n{\"open\": true}", Ok("{\"open\": true}")),
            ("```json\n1\n```\n```json\nnot json\n```", Err(())),
            ("I wrote the plan", Err(())),
            ("", Err(())),
        ];
        for (said, wanted) in cases {
            match (take(said), wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{said}"),
                (Err(why), Err(())) => assert!(!why.is_empty(), "{said}"),
                (found, _) => panic!("{said}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_resolution_takes_files_only_and_leaves_the_rest_as_it_was() {
        let dir = tempfile::tempdir().expect("a folder");
        let take = |kind| find(&output(kind, None), dir.path(), "I resolved it", true);
        for kind in [ArtifactKind::Summary, ArtifactKind::Json, ArtifactKind::File] {
            assert_eq!(take(kind), Ok(None), "{kind}");
        }
        fs::write(dir.path().join("plan"), "merged").expect("written");
        assert_eq!(text(take(ArtifactKind::File)), Ok("merged".into()));
        assert_eq!(take(ArtifactKind::Json), Ok(None));
    }
}
