//! Whether somebody changed what configures the repository, or its refs.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::GitError;
use super::hooks_folder::HooksFolder;
use super::repository::Repository;

/// Files of the common directory that configure git for everybody.
const FILES: &[&str] = &[
    "info/attributes",
    "info/exclude",
    "info/grafts",
    "info/sparse-checkout",
    "objects/info/alternates",
    // Commits named in it have no parents for whoever looks for them.
    "shallow",
    // git takes the git directory for the files' root when it is told of no other.
    ".gitattributes",
];

/// Files of settings.
const SETTINGS: &[&str] = &["config", "config.worktree"];

/// What is read of one file, in bytes; of a larger one size and times are compared instead.
const LONGEST: u64 = 1024 * 1024;

/// What configures a repository, and its refs, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Settings, attributes and hooks, by their path in the common directory.
    files: BTreeMap<String, Vec<u8>>,
    /// Hooks that lie elsewhere.
    hooks: HooksFolder,
    /// All refs by their full name, and what `HEAD` of the main worktree names.
    refs: BTreeMap<String, String>,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// A setting of the repository: its key, never its value.
    Setting {
        /// The key, such as `core.hooksPath`.
        key: String,
        /// It belongs to a branch that had no settings before, or has none now. git itself writes such ones when a
        /// branch that follows another is made, and takes them away with it.
        of_whole_branch: bool,
    },
    /// A hook, or another file that git reads: its path in the git directory.
    File(String),
    /// A hook, or what stands beside it, elsewhere than in the git directory.
    Hook {
        /// The path.
        path: PathBuf,
        /// What is there now, as [`is_as_in`](Repository::is_as_in) takes it.
        found: Vec<u8>,
    },
    /// A ref: its full name.
    Ref {
        /// The name.
        name: String,
        /// What it was and what it is, `None` where it is not there.
        old: Option<String>,
        /// See `old`.
        new: Option<String>,
    },
}

impl Repository {
    /// Looks at everything that configures the repository for all its worktrees, and at all refs.
    pub async fn fingerprint(&self) -> Result<Fingerprint, GitError> {
        let common = &self.inner.common_dir;
        let mut files = BTreeMap::new();
        for name in SETTINGS.iter().chain(FILES) {
            let mut content = content(&common.join(name));
            if SETTINGS.contains(name) {
                follow(&common.join(name), &mut content);
            }
            if !content.is_empty() {
                files.insert((*name).to_owned(), content);
            }
        }
        for entry in std::fs::read_dir(common.join("hooks")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".sample") {
                files.insert(format!("hooks/{name}"), content(&entry.path()));
            }
        }
        let hooks = self.hooks_folder().await?;
        let refs = self.list_refs("refs").await?;
        let mut refs: BTreeMap<_, _> = refs.into_iter().map(|(name, id)| (name, id.to_string())).collect();
        let head = content(&common.join("HEAD"));
        refs.insert("HEAD".to_owned(), String::from_utf8_lossy(&head).trim_end().to_owned());
        Ok(Fingerprint { files, hooks, refs })
    }

    /// What is not as it was, in order.
    pub async fn touched(&self, before: &Fingerprint, now: &Fingerprint) -> Result<Vec<Touched>, GitError> {
        let mut touched = Vec::new();
        for name in differing(&before.files, &now.files) {
            if !SETTINGS.contains(&name) {
                touched.push(Touched::File(name.to_owned()));
                continue;
            }
            let texts = settings_text(before.files.get(name)).zip(settings_text(now.files.get(name)));
            let mut settings = None;
            if let Some(((old_place, old), (new_place, new))) = texts
                && old_place == new_place
            {
                settings = self.settings(old).await?.zip(self.settings(new).await?);
            }
            match settings {
                Some((old, new)) => touched.extend(settings_touched(&old, &new)),
                None => touched.push(Touched::File(name.to_owned())),
            }
        }
        hooks_touched(&before.hooks, &now.hooks, &mut touched);
        for name in differing(&before.refs, &now.refs) {
            let (old, new) = (before.refs.get(name).cloned(), now.refs.get(name).cloned());
            touched.push(Touched::Ref { name: name.to_owned(), old, new });
        }
        Ok(touched)
    }

    /// The settings of a text with all values of each; `None` when git cannot read it.
    async fn settings(&self, text: &[u8]) -> Result<Option<Settings>, GitError> {
        let call = self.call("config").args(["--file", "-", "--null", "--list"]).stdin(text);
        let answer = self.run(call).await?;
        if answer.code != 0 {
            return Ok(None);
        }
        let mut settings = Settings::new();
        for field in answer.fields() {
            let field = String::from_utf8_lossy(field);
            let (key, value) = field.split_once('\n').unwrap_or((&field, ""));
            settings.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Some(settings))
    }
}

/// Adds the hooks that are not as they were.
fn hooks_touched(before: &HooksFolder, now: &HooksFolder, touched: &mut Vec<Touched>) {
    if before.folder != now.folder {
        let key = "core.hookspath";
        let is_told =
            |touched: &Touched| matches!(touched, Touched::Setting { key: told, .. } if told == key);
        // It may stand in a file of settings that is not the repository's.
        if !touched.iter().any(is_told) {
            touched.push(Touched::Setting { key: key.to_owned(), of_whole_branch: false });
        }
        return;
    }
    for path in before.files.keys().chain(now.files.keys().filter(|path| !before.files.contains_key(*path))) {
        if before.files.get(path) != now.files.get(path) {
            let found = now.files.get(path).cloned().unwrap_or_default();
            touched.push(Touched::Hook { path: path.clone(), found });
        }
    }
}

impl Fingerprint {
    /// Where a ref was, by its full name.
    pub fn tip(&self, name: &str) -> Option<&str> {
        self.refs.get(name).map(String::as_str)
    }
}

/// Where a file of settings lies, if elsewhere, and its text; `None` when it is nothing that can be compared. One that
/// is not there has no settings.
fn settings_text(content: Option<&Vec<u8>>) -> Option<(&[u8], &[u8])> {
    let Some(content) = content else { return Some((b"", b"")) };
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (head, text) = (&content[..end], &content[end + 1..]);
    match head.first()? {
        b'f' => Some((b"", text)),
        b'l' => Some((head, text)),
        _ => None,
    }
}

type Settings = BTreeMap<String, Vec<String>>;

fn settings_touched(old: &Settings, new: &Settings) -> Vec<Touched> {
    let branch =
        |key: &str| key.strip_prefix("branch.")?.rsplit_once('.').map(|(name, _)| format!("branch.{name}."));
    let has = |settings: &Settings, start: &str| settings.keys().any(|key| key.starts_with(start));
    let touched = differing(old, new).into_iter().map(|key| Touched::Setting {
        of_whole_branch: branch(key).is_some_and(|start| has(old, &start) != has(new, &start)),
        key: key.to_owned(),
    });
    touched.collect()
}

/// The names that only one of two maps has, or that have another value in each.
fn differing<'a, V: PartialEq>(a: &'a BTreeMap<String, V>, b: &'a BTreeMap<String, V>) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        a.iter().filter(|(name, value)| b.get(*name) != Some(value)).map(|(n, _)| n.as_str()).collect();
    names.extend(b.keys().filter(|name| !a.contains_key(*name)).map(String::as_str));
    names.sort_unstable();
    names
}

/// Adds to what is at a path, when that is a link, what it leads to: git reads settings through one.
fn follow(path: &Path, found: &mut Vec<u8>) {
    if !found.starts_with(b"l") {
        return;
    }
    let target = std::fs::canonicalize(path).map(|target| content(&target)).unwrap_or_default();
    match target.strip_prefix(b"f").and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        Some(end) => found.extend_from_slice(&[b"\n", &target[end + 2..]].concat()),
        // Nothing that has settings.
        None => *found = [b"o\n", &found[..], b"\n", &target[..]].concat(),
    }
}

/// What is at a path, in bytes that differ when it does: kind, permissions and content. Nothing that is opened can
/// keep this waiting, and no link is followed. Empty when nothing is there.
pub(super) fn content(path: &Path) -> Vec<u8> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Vec::new() };
    if found.is_symlink() {
        let target = std::fs::read_link(path).unwrap_or_default();
        return [b"l ", target.as_os_str().as_encoded_bytes()].concat();
    }
    if !found.is_file() {
        return format!("o\n{:o}", found.mode()).into_bytes();
    }
    let executable = found.mode() & 0o111 != 0;
    let mut content = format!("f{}\n", u8::from(executable)).into_bytes();
    if found.len() > LONGEST {
        let times = format!("{} {} {} {}", found.len(), found.ino(), found.mtime(), found.mtime_nsec());
        return [b"o large\n", times.as_bytes()].concat();
    }
    // What was put in its place since is not waited for.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let read = file.and_then(|file| file.take(LONGEST).read_to_end(&mut content));
    if let Err(error) = read {
        content.extend_from_slice(error.kind().to_string().as_bytes());
    }
    content
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    both_backends! {
        every_way_to_configure_a_repository_is_seen_and_settings_are_told_by_key,
        settings_behind_a_link_are_read_and_a_link_that_is_new_or_leads_elsewhere_is_told,
        hooks_are_watched_wherever_git_looks_for_them,
        a_hook_that_is_what_a_commit_has_is_told_from_others,
        nothing_that_takes_the_place_of_a_file_keeps_the_look_waiting,
    }

    use super::*;
    use crate::git::testing::{Scratch, both_backends};

    async fn touched(s: &Scratch, before: &Fingerprint) -> Vec<String> {
        let now = s.repo.fingerprint().await.expect("looks");
        let told = s.repo.touched(before, &now).await.expect("compares").into_iter();
        let text = |touched| match touched {
            Touched::Setting { key, of_whole_branch } => format!("{key} {of_whole_branch}"),
            Touched::File(path) => path,
            Touched::Hook { path, .. } => path.strip_prefix(&s.root).unwrap_or(&path).display().to_string(),
            Touched::Ref { name, old, new } => format!("{name} {} {}", old.is_some(), new.is_some()),
        };
        told.map(text).collect()
    }

    async fn every_way_to_configure_a_repository_is_seen_and_settings_are_told_by_key() {
        let s = Scratch::new().await;
        s.commit("one").await;
        s.git(&["config", "user.name", "Somebody"]).await;
        let before = s.repo.fingerprint().await.expect("looks");
        assert_eq!(touched(&s, &before).await, [""; 0]);
        s.git(&["config", "core.hooksPath", "/secret/place"]).await;
        s.git(&["config", "user.name", "Somebody Else"]).await;
        s.git(&["config", "branch.new.remote", "origin"]).await;
        s.write(".git/hooks/post-checkout", "#!/bin/sh\n").write(".git/hooks/x.sample", "no hook\n");
        s.write(".git/info/attributes", "* filter=x\n").write(".git/info/exclude", "*.rs\n");
        s.write(".git/info/sparse-checkout", "/*\n");
        s.write(".git/.gitattributes", "*.rs -diff\n").write(".git/objects/info/alternates", "/elsewhere\n");
        s.git(&["branch", "other"]).await;
        s.git(&["symbolic-ref", "HEAD", "refs/heads/other"]).await;
        s.git(&["update-ref", "refs/replace/x", "HEAD"]).await;
        let wanted = [
            ".gitattributes",
            "branch.new.remote true",
            "core.hookspath false",
            "user.name false",
            "hooks/post-checkout",
            "info/attributes",
            "info/exclude",
            "info/sparse-checkout",
            "objects/info/alternates",
            "HEAD true true",
            "refs/heads/other false true",
            "refs/replace/x false true",
        ];
        assert_eq!(touched(&s, &before).await, wanted);
    }

    async fn settings_behind_a_link_are_read_and_a_link_that_is_new_or_leads_elsewhere_is_told() {
        let s = Scratch::new().await;
        let (link, mine) = (s.root.join(".git/config.worktree"), s.outside().join("mine"));
        std::fs::write(&mine, "[a]\nb = 1\n").expect("writes");
        let none = s.repo.fingerprint().await.expect("looks");
        for target in [mine.clone(), s.outside().join("absent"), s.outside()] {
            symlink(&target, &link).expect("links");
            assert_eq!(touched(&s, &none).await, ["config.worktree"], "{}", target.display());
            std::fs::remove_file(&link).expect("removes");
        }
        symlink(&mine, &link).expect("links");
        let before = s.repo.fingerprint().await.expect("looks");
        std::fs::write(&mine, "[a]\nb = 1\nc = 2\n").expect("writes");
        assert_eq!(touched(&s, &before).await, ["a.c false"]);
        std::fs::write(&mine, vec![b'#'; 2 << 20]).expect("writes");
        assert_eq!(touched(&s, &before).await, ["config.worktree"]);
        std::fs::remove_file(&link).expect("removes");
        std::fs::write(&link, vec![b'#'; 2 << 20]).expect("writes");
        assert_eq!(touched(&s, &none).await, ["config.worktree"], "too long to be read");
    }

    async fn hooks_are_watched_wherever_git_looks_for_them() {
        let s = Scratch::new().await;
        let own = s.root.join(".git/hooks");
        s.write("scripts/check.sh", "1\n").write(".husky/_/h", "1\n").commit("one").await;
        std::fs::create_dir_all(&own).expect("creates");
        symlink("../../scripts/check.sh", own.join("pre-push")).expect("links");
        let elsewhere = s.outside().join("hooks");
        std::fs::create_dir(&elsewhere).expect("creates");
        let before = s.repo.fingerprint().await.expect("looks");
        s.write("scripts/check.sh", "2\n");
        assert_eq!(touched(&s, &before).await, ["scripts/check.sh"], "what a link leads to");
        let cases = [
            (".husky", ".husky/post-checkout", &[".husky/post-checkout"][..]),
            (".husky/_", ".husky/post-merge", &[".husky/post-merge"]),
            (".git/hooks", ".git/hooks/post-merge", &["hooks/post-merge"]),
            (elsewhere.to_str().expect("UTF-8"), "other", &[]),
        ];
        for (folder, hook, wanted) in cases {
            s.git(&["config", "core.hooksPath", folder]).await;
            let before = s.repo.fingerprint().await.expect("looks");
            assert_eq!(touched(&s, &before).await, [""; 0], "{folder}");
            s.write(hook, "#!/bin/sh\n");
            assert_eq!(touched(&s, &before).await, wanted, "{folder}");
        }
        let before = s.repo.fingerprint().await.expect("looks");
        std::fs::write(elsewhere.join("pre-push"), "#!/bin/sh\n").expect("writes");
        assert_eq!(touched(&s, &before).await, [elsewhere.join("pre-push").to_str().expect("UTF-8")]);
    }

    async fn a_hook_that_is_what_a_commit_has_is_told_from_others() {
        let s = Scratch::new().await;
        s.write("h/a", "a\n").write("h/gone", "x\n").executable("h/a");
        let before = s.commit("before").await;
        s.write("h/a", "b\n").remove("h/gone");
        let after = s.commit("after").await;
        for (path, found, wanted) in [
            ("h/a", &b"f1\nb\n"[..], true),
            ("h/a", b"f0\nb\n", false),
            ("h/a", b"f1\na\n", false),
            ("h/a", b"", false),
            ("h/gone", b"", true),
            ("h/gone", b"f0\nx\n", false),
            ("h/never", b"", false),
            ("../h/a", b"f1\nb\n", false),
        ] {
            let path = s.root.join(path);
            let is = s.repo.is_as_in(&after, Some(&before), &path, found).await.expect("compares");
            assert_eq!(is, wanted, "{} {found:?}", path.display());
        }
    }

    async fn nothing_that_takes_the_place_of_a_file_keeps_the_look_waiting() {
        let s = Scratch::new().await;
        let hook = s.root.join(".git/hooks/pre-push");
        std::fs::create_dir_all(hook.parent().expect("has one")).expect("creates");
        std::fs::write(&hook, "#!/bin/sh\n").expect("writes");
        let before = s.repo.fingerprint().await.expect("looks");
        s.executable(".git/hooks/pre-push");
        assert_eq!(touched(&s, &before).await, ["hooks/pre-push"], "it runs now");
        std::fs::remove_file(&hook).expect("removes");
        rustix::fs::mknodat(rustix::fs::CWD, &hook, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .expect("a fifo");
        symlink("/dev/zero", s.root.join(".git/hooks/post-merge")).expect("links");
        assert_eq!(touched(&s, &before).await, ["hooks/post-merge", "hooks/pre-push"]);
        s.write(".git/config", "[broken\n");
        let now = Fingerprint {
            files: [("config".to_owned(), b"f0\n[broken\n".to_vec())].into(),
            hooks: HooksFolder::default(),
            refs: BTreeMap::new(),
        };
        let old =
            Fingerprint { files: BTreeMap::new(), hooks: HooksFolder::default(), refs: BTreeMap::new() };
        // A file of settings that nobody can read is told as a whole.
        s.write(".git/config", "[core]\n");
        assert_eq!(s.repo.touched(&old, &now).await.expect("compares"), [Touched::File("config".into())]);
    }
}
