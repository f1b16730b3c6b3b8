//! A worktree with a git directory of its own is recorded as a linked one is, whatever is done in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{Ground, add, ground};
use crate::git::testing::{Scratch, options, try_git, write};
use crate::git::{Backend, GitError, Repository};
use crate::types::Isolation;

/// Numbers that look random, always the same ones for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const PATHS: [&str; 9] = ["a", "dir/x", "dir/y", "dir", "run", "link", "new", "deep/er/z", "x.tmp"];

/// Does something in a worktree, as these numbers say. What cannot be done is not done in either.
async fn act(at: &Path, [what, which, value]: [u64; 3]) {
    let name = PATHS[usize::try_from(which).unwrap_or(0) % PATHS.len()];
    let path = at.join(name);
    let git = async |args: &[&str]| try_git(at, args).await;
    let gone = || match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => drop(fs::remove_dir_all(&path)),
        _ => drop(fs::remove_file(&path)),
    };
    let make = || {
        gone();
        fs::create_dir_all(path.parent().expect("has one")).is_ok()
    };
    match what {
        0..=3 if make() => drop(fs::write(&path, format!("{value}\n"))),
        4 => gone(),
        5 => drop(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(if value % 2 == 0 { 0o755 } else { 0o644 }),
        )),
        6 if make() => drop(symlink(PATHS[usize::try_from(value).unwrap_or(0) % PATHS.len()], &path)),
        7 => drop(git(&["add", "-A"]).await),
        8 => drop(git(&["add", "-f", name]).await),
        9 => drop(git(&["rm", "-q", "-r", "--cached", name]).await),
        10..=12 => {
            git(&["add", "-A"]).await;
            git(&["commit", "-q", "--allow-empty", "-m", &value.to_string()]).await;
        }
        13 => drop(git(&["commit", "-q", "--amend", "--allow-empty", "-m", "amended"]).await),
        14 => drop(git(&["reset", "-q", "--hard", "HEAD~1"]).await),
        15 => drop(git(&["reset", "-q", ["HEAD~1", "HEAD"][usize::from(value % 2 == 0)]]).await),
        16 => drop(
            git(&[
                "switch",
                "-q",
                "-C",
                &format!("{}b{}", at.file_name().expect("one").display(), value % 2),
            ])
            .await,
        ),
        17 => drop(git(&["checkout", "-q", "--detach"]).await),
        18 => drop(git(&["stash", "-q"]).await),
        19 => drop(git(&["stash", "pop", "-q"]).await),
        20 => drop(git(&["mv", "-k", name, "moved"]).await),
        21 => drop(git(&["update-index", "--assume-unchanged", name]).await),
        22 => drop(git(&["pack-refs", "--all"]).await),
        23 => drop(git(&["update-index", "--split-index"]).await),
        24 => drop(git(&["add", "-N", name]).await),
        25 => drop(git(&["gc", "-q"]).await),
        26 => drop(
            git(&["checkout", "-q", "--orphan", &format!("{}o", at.file_name().expect("one").display())])
                .await,
        ),
        27 => drop(git(&["merge", "-q", "--no-edit", "HEAD@{1}"]).await),
        _ => {}
    }
}

/// What was recorded, or why not.
async fn told(g: &Ground) -> String {
    match g.try_take().await {
        Ok(found) => {
            let range = format!("{}..{}", g.base, found.commit);
            let commits = g.s.git(&["rev-list", "--count", &range]).await;
            format!("{} {} {} {commits}", found.tree, found.changed, found.rebased)
        }
        Err(GitError::Unfinished { operation, unmerged, .. }) => format!("{operation} {unmerged:?}"),
        Err(error) => format!("{error}"),
    }
}

async fn histories(backend: Backend, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut dice = Dice(seed);
        let mut linked = ground(Isolation::Linked).await;
        let opened = Repository::open(&linked.s.root, crate::git::GitOptions { backend, ..options() }).await;
        linked.repo = opened.expect("opens");
        let path = linked.s.outside().join("separate");
        let repo = linked.repo.with_isolation(Isolation::Separate);
        repo.add_worktree(&path, &linked.base).await.expect("makes");
        // The one in the name of the other: it is the same repository.
        let paths = [linked.path.clone(), path];
        let mut acts = Vec::new();
        for round in 0..2 {
            for _ in 0..8 {
                let next = [dice.roll(28), dice.roll(100), dice.roll(100)];
                acts.push(next);
                for path in &paths {
                    act(path, next).await;
                }
            }
            let mut both = Vec::new();
            for path in &paths {
                linked.path.clone_from(path);
                both.push(told(&linked).await);
            }
            let trees =
                [&both[0], &both[1]].map(|told| told.split(' ').next().unwrap_or_default().to_owned());
            let differ = try_git(&linked.s.root, &["diff-tree", "-r", "-p", &trees[0], &trees[1]]).await.1;
            assert_eq!(both[0], both[1], "{differ}\nseed {seed}, round {round}: {acts:?}");
        }
    }
}

#[tokio::test]
async fn whatever_is_done_is_recorded_the_same_by_the_fast_backend() {
    histories(Backend::Auto, 0..20).await;
}

#[tokio::test]
async fn whatever_is_done_is_recorded_the_same_by_the_git_program() {
    histories(Backend::Reference, 100..112).await;
}

#[tokio::test]
async fn a_worktree_of_an_unusual_repository_is_clean_and_its_work_is_recorded() {
    let sparse: &[&str] = &["sparse-checkout", "set", "dir"];
    let filter: &[&str] = &["config", "filter.up.clean", "tr a-z A-Z"];
    let smudge: &[&str] = &["config", "filter.up.smudge", "tr A-Z a-z"];
    for (case, init, commands) in [
        ("nothing unusual", &[][..], &[][..]),
        ("line ends", &[], &[&["config", "core.autocrlf", "true"][..]]),
        ("a filter", &[], &[filter, smudge]),
        ("no modes", &[], &[&["config", "core.fileMode", "false"]]),
        ("a sparse checkout", &[], &[sparse]),
        ("settings of its own", &[], &[&["config", "extensions.worktreeConfig", "true"]]),
        ("sha256", &["--object-format=sha256"], &[]),
        ("refs in tables", &["--ref-format=reftable"], &[]),
    ] {
        let Some(mut s) = Scratch::try_with(init).await else { continue };
        s.write("a", "1\n")
            .write("dir/x", "x\n")
            .write("up.big", "BIG\n")
            .write(".gitattributes", "*.big filter=up\n");
        let base = s.commit("base").await;
        for command in commands {
            s.git(command).await;
        }
        s.repo = Repository::open(&s.root, options()).await.expect("opens");
        let g = add(s, Isolation::Separate, base).await;
        assert_eq!(g.git(&["status", "--porcelain"]).await, "", "{case}");
        write(&g.path, "dir/x", "mine\n");
        write(&g.path, "dir/new.big", "small\n");
        g.git(&["add", "dir"]).await;
        g.git(&["commit", "-qm", "mine"]).await;
        write(&g.path, "dir/later", "1\n");
        let found = g.take().await;
        assert!(!found.rebased, "{case}");
        let paths = g.repo.changed_paths(&g.base, &found.commit).await.expect("changes").len();
        assert_eq!(paths, 3, "{case}");
        let stored = g.s.git(&["cat-file", "blob", &format!("{}:dir/new.big", found.commit)]).await;
        assert_eq!(stored, if case == "a filter" { "SMALL" } else { "small" }, "{case}");
        let log = g.s.git(&["log", "-1", "--format=%an", found.commit.as_str()]).await;
        assert_eq!(log, g.repo.identity().name, "{case}: the work's");
        g.s.git(&["fsck", "--strict"]).await;
    }
}

#[tokio::test]
async fn of_a_partial_clone_none_is_made_and_the_error_says_why() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("base").await;
    s.git(&["config", "remote.origin.promisor", "true"]).await;
    s.git(&["config", "remote.origin.url", "/nowhere"]).await;
    let repo = Repository::open(&s.root, options()).await.expect("opens").with_isolation(Isolation::Separate);
    let path = s.outside().join("wt");
    let error = repo.add_worktree(&path, &base).await.expect_err("refused");
    assert!(matches!(error, GitError::CannotSeparate { .. }), "{error}");
    assert!(!path.exists() && repo.list_worktrees().await.expect("lists").len() == 1, "nothing is left");
}

#[tokio::test]
async fn a_conflict_is_laid_out_in_its_index_too() {
    let g = ground(Isolation::Separate).await;
    let ours = g.s.write("a", "ours\n").commit("ours").await;
    let tree = g.repo.tree_of(&ours).await.expect("a tree");
    g.repo.reset_to_tree(&g.path, &tree).await.expect("resets");
    assert_eq!(g.git(&["status", "--porcelain"]).await, "M  a");
    assert_eq!(g.git(&["rev-parse", "HEAD"]).await, g.base.as_str());
}

#[tokio::test]
async fn a_slot_changes_between_both_and_keeps_nothing_of_the_one_before() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("base").await;
    s.repo.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
    let path = s.outside().join("worktrees/convoy/0-t");
    let mut slots = Vec::new();
    for isolation in [Isolation::Separate, Isolation::Linked, Isolation::Separate, Isolation::Separate] {
        let repo = s.repo.with_isolation(isolation);
        repo.add_worktree(&path, &base).await.expect("makes");
        slots.push(repo.folder_of(&path).await.expect("finds"));
        assert_eq!(path.join(".git").is_dir(), isolation == Isolation::Separate);
        assert_eq!(try_git(&path, &["status", "--porcelain", "-b"]).await.1, "## HEAD (no branch)");
        assert_eq!(try_git(&path, &["rev-list", "--count", "--all"]).await.1, "1");
        write(&path, "a", "2\n");
        assert!(try_git(&path, &["switch", "-qc", "mine"]).await.0);
        assert!(try_git(&path, &["commit", "-qam", "mine"]).await.0);
        if isolation == Isolation::Linked {
            assert!(try_git(&path, &["checkout", "-q", "--detach"]).await.0);
            s.git(&["branch", "-qD", "mine"]).await;
        }
        repo.remove_worktree(&path).await.expect("gives back");
    }
    slots.dedup();
    assert_eq!(slots.len(), 1, "it is always the same one");
}
