//! The fast backend says what the git program says, about histories that nobody thought of.
//!
//! There are 250 of them, or as many as `CONVOY_MERGES` says when the tests run: `.ci/run` has 3,000 merged.

use std::collections::BTreeSet;
use std::path::Path;

use super::histories::{feed, make};
use crate::git::testing::{Scratch, options, try_git};
use crate::git::{Backend, MergeResult, Repository};
use crate::types::{ConflictKind, Oid};

pub(super) async fn reference(s: &Scratch) -> Repository {
    let mut options = options();
    options.backend = Backend::Reference;
    Repository::open(&s.root, options).await.expect("opens")
}

/// What git says of a merge.
struct ByGit {
    tree: String,
    is_clean: bool,
    /// What it lists as in conflict.
    paths: BTreeSet<String>,
}

/// What git merges these to, in order.
async fn merged_by_git(s: &Scratch, cases: &[(Oid, Oid)]) -> Vec<ByGit> {
    let input: String = cases.iter().map(|(ours, theirs)| format!("{ours} {theirs}\n")).collect();
    let args = ["merge-tree", "--write-tree", "-z", "--stdin", "--name-only", "--no-messages"];
    let said = feed(s, &args, input.into_bytes()).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut fields = said.split('\0');
    let mut merged = Vec::new();
    for _ in cases {
        let is_clean = fields.next().expect("a status") == "1";
        let tree = fields.next().expect("a tree").to_owned();
        let paths = fields.by_ref().take_while(|path| !path.is_empty()).map(str::to_owned).collect();
        merged.push(ByGit { tree, is_clean, paths });
    }
    merged
}

/// Merges by splicing what can be spliced; says how many that were.
async fn splices_are_what_git_merges(seed: u64, count: u64) -> usize {
    let s = Scratch::new().await;
    let cases = make(&s, seed, count).await;
    let merged = merged_by_git(&s, &cases).await;
    let mut spliced = 0;
    for (number, ((ours, theirs), git)) in cases.iter().zip(merged).enumerate() {
        let (one, other) = (ours.clone(), theirs.clone());
        let found = s.repo.try_fast("merge-tree", move |at| at.splice(&one, &other)).await.expect("no panic");
        if let Some(found) = found {
            let is_same = git.is_clean && found.as_str() == git.tree;
            assert!(is_same, "seed {seed}, case {number}: {found} is not {}", git.tree);
            spliced += 1;
        }
    }
    spliced
}

/// How many histories are merged: 250, or as many as `CONVOY_MERGES` says.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says it, and nothing is compiled for it"
)]
fn merges() -> u64 {
    std::env::var("CONVOY_MERGES").map_or(250, |count| count.parse().expect("a number of histories"))
}

#[tokio::test]
async fn a_spliced_tree_is_what_git_merges() {
    let (mut spliced, all) = (0, usize::try_from(merges()).expect("fits"));
    // Each round has a repository of its own, which goes with it.
    for first in (0..merges()).step_by(500) {
        spliced += splices_are_what_git_merges(1 + first * 1000, 500.min(merges() - first)).await;
    }
    assert!(
        (all / 5..all).contains(&spliced),
        "{spliced} of {all} were spliced: the cases must be of both kinds"
    );
}

#[tokio::test]
async fn merges_and_questions_have_one_answer() {
    let s = Scratch::new().await;
    let git = reference(&s).await;
    let links =
        |found: Vec<crate::git::TreeLink>| found.into_iter().map(|l| (l.path, l.target)).collect::<Vec<_>>();
    let before = s.repo.programs_started();
    let cases = make(&s, 77, 40).await;
    for (number, (ours, theirs)) in cases.iter().enumerate() {
        let why = format!("case {number}");
        let [fast, slow] = [&s.repo, &git].map(|repo| repo.merge(ours, theirs));
        let (fast, slow) = (fast.await.expect(&why), slow.await.expect(&why));
        assert_eq!(fast, slow, "{why}");
        let (fast, slow) = (s.repo.merge_base(ours, theirs).await, git.merge_base(ours, theirs).await);
        assert_eq!(fast.expect(&why), slow.expect(&why), "{why}");
        let (fast, slow) = (s.repo.is_ancestor(ours, theirs).await, git.is_ancestor(ours, theirs).await);
        assert_eq!(fast.expect(&why), slow.expect(&why), "{why}");
        let fast = s.repo.changed_between(ours, theirs).await.expect(&why);
        assert_eq!(fast, git.changed_between(ours, theirs).await.expect(&why), "{why}");
        let paths: Vec<&str> = fast.iter().map(|changed| changed.path.as_str()).collect();
        let (fast, slow) = (s.repo.entries_at(theirs, &paths).await, git.entries_at(theirs, &paths).await);
        assert_eq!(fast.expect(&why), slow.expect(&why), "{why}");
        let (fast, slow) = (s.repo.tree_links(theirs).await, git.tree_links(theirs).await);
        assert_eq!(links(fast.expect(&why)), links(slow.expect(&why)), "{why}");
        if let MergeResult::Conflicted { tree, paths, .. } = s.repo.merge(ours, theirs).await.expect(&why) {
            let fast = s.repo.conflict_markers(&tree, &paths).await.expect(&why);
            assert_eq!(fast, git.conflict_markers(&tree, &paths).await.expect(&why), "{why}");
        }
    }
    let started = s.repo.programs_started() - before;
    assert!(started < 40 * 4, "{started} programs: less than half of the questions are answered here");
}

/// Of all paths that are told, those that somebody has a version of are the list of git. The others are in its messages
/// only: where a file was before a rename (one of another type gets a new name, too), or a folder that was split.
#[tokio::test]
async fn a_conflict_names_the_paths_that_git_lists() {
    let (mut conflicts, mut equal) = (0, 0);
    // Each of them starts git.
    let all = merges() / 2;
    for first in (0..all).step_by(500) {
        let s = Scratch::new().await;
        let (seed, count) = (5 + first * 1000, 500.min(all - first));
        let cases = make(&s, seed, count).await;
        let merged = merged_by_git(&s, &cases).await;
        for (number, ((ours, theirs), git)) in cases.iter().zip(merged).enumerate() {
            let why = format!("seed {seed}, case {number}");
            let (found, told) = match s.repo.merge(ours, theirs).await.expect(&why) {
                MergeResult::Clean { tree } => (tree, Vec::new()),
                MergeResult::Conflicted { tree, conflicts, .. } => (tree, conflicts),
            };
            assert_eq!((found.as_str(), told.is_empty()), (&*git.tree, git.is_clean), "{why}");
            let (listed, other): (Vec<_>, Vec<_>) = told
                .iter()
                .partition(|at| [&at.base, &at.ours, &at.theirs].iter().any(|side| side.is_some()));
            let listed: BTreeSet<String> = listed.into_iter().map(|at| at.path.clone()).collect();
            assert_eq!(listed, git.paths, "{why}");
            for at in &other {
                assert!(OF_MESSAGES.contains(&at.kind), "{why}: {at:?}");
            }
            conflicts += usize::from(!told.is_empty());
            equal += usize::from(!told.is_empty() && other.is_empty());
        }
    }
    assert!(equal * 2 > conflicts, "{equal} of {conflicts} conflicts tell what git lists and nothing else");
}

/// What conflicts have paths that nobody has a version of.
const OF_MESSAGES: [ConflictKind; 6] = [
    ConflictKind::FileDirectory,
    ConflictKind::Mode,
    ConflictKind::RenameRename,
    ConflictKind::RenameCollision,
    ConflictKind::RenameDelete,
    ConflictKind::DirectoryRename,
];

/// What `git merge` makes of it in a checkout: the tree or, of a conflict, the paths that are unmerged.
async fn merged_in_a_checkout(at: &Path, ours: &Oid, theirs: &Oid) -> Result<String, BTreeSet<String>> {
    // What the merge before this one left.
    for clean in [&["reset", "-q", "--hard"][..], &["clean", "-q", "-ffdx"]] {
        assert_eq!(try_git(at, clean).await, (true, String::new()));
    }
    assert_eq!(try_git(at, &["checkout", "-q", "--detach", ours.as_str()]).await, (true, String::new()));
    let (is_clean, said) = try_git(at, &["merge", "-q", "--no-ff", "-m", "x", theirs.as_str()]).await;
    if is_clean {
        return Ok(try_git(at, &["rev-parse", "HEAD^{tree}"]).await.1);
    }
    let (_, unmerged) = try_git(at, &["ls-files", "-u", "-z"]).await;
    let path = |line: &str| line.split_once('\t').expect("a path").1.to_owned();
    let paths: BTreeSet<String> = unmerged.split_terminator('\0').map(path).collect();
    assert!(!paths.is_empty(), "{said}");
    Err(paths)
}

#[tokio::test]
async fn a_merge_is_what_git_makes_of_it_in_a_checkout() {
    let s = Scratch::new().await;
    s.commit("first").await;
    let at = s.outside().join("checkout");
    s.git(&["worktree", "add", "-q", "--detach", at.to_str().expect("UTF-8")]).await;
    let (mut clean, mut conflicts) = (0, 0);
    for (number, (ours, theirs)) in make(&s, 9, 24).await.iter().enumerate() {
        let why = format!("case {number}");
        let by_git = merged_in_a_checkout(&at, ours, theirs).await;
        match (s.repo.merge(ours, theirs).await.expect(&why), by_git) {
            (MergeResult::Clean { tree }, by_git) => {
                assert_eq!(Ok(tree.to_string()), by_git, "{why}");
                clean += 1;
            }
            (MergeResult::Conflicted { paths, .. }, by_git) => {
                assert_eq!(Err(paths.into_iter().collect()), by_git, "{why}");
                conflicts += 1;
            }
        }
    }
    assert!(clean >= 5 && conflicts >= 5, "{clean} clean, {conflicts} in conflict: both kinds");
}

type Side = fn(&Scratch) -> &Scratch;

#[tokio::test]
async fn a_merge_that_meets_at_a_path_is_no_splice() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").write("d/x", "1\n").write("e", "1\n").commit("base").await;
    let sides: [(&str, Side); 6] = [
        ("edit a", |s| s.write("a", "2\n")),
        ("the same edit of a", |s| s.write("a", "2\n")),
        ("new folder n", |s| s.write("n/x", "1\n")),
        ("new file n", |s| s.write("n", "1\n")),
        ("rename of e", |s| s.rename("e", "f")),
        ("edit d/x", |s| s.write("d/x", "2\n")),
    ];
    let mut commits = Vec::new();
    for (name, change) in sides {
        s.git(&["checkout", "-q", base.as_str()]).await;
        change(&s);
        commits.push(s.commit(name).await);
    }
    let splice = async |one: usize, other: usize| {
        let (one, other) = (commits[one].clone(), commits[other].clone());
        s.repo.try_fast("merge-tree", move |at| at.splice(&one, &other)).await.expect("no panic").is_some()
    };
    assert!(splice(0, 2).await && splice(0, 5).await && splice(3, 5).await);
    for (one, other) in [(0, 1), (2, 3), (3, 2), (4, 5), (5, 4)] {
        assert!(!splice(one, other).await, "{} and {}", sides[one].0, sides[other].0);
    }
}
