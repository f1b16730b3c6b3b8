//! The fast backend says what the git program says, about histories that nobody thought of.

use super::histories::{feed, make};
use crate::git::testing::{Scratch, options};
use crate::git::{Backend, MergeResult, Repository};
use crate::types::Oid;

pub(super) async fn reference(s: &Scratch) -> Repository {
    let mut options = options();
    options.backend = Backend::Reference;
    Repository::open(&s.root, options).await.expect("opens")
}

/// What git merges these to, in order: the tree, and whether it is free of conflicts.
async fn merged_by_git(s: &Scratch, cases: &[(Oid, Oid)]) -> Vec<(String, bool)> {
    let input: String = cases.iter().map(|(ours, theirs)| format!("{ours} {theirs}\n")).collect();
    let args = ["merge-tree", "--write-tree", "-z", "--stdin", "--name-only", "--no-messages"];
    let said = feed(s, &args, input.into_bytes()).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut fields = said.split('\0');
    let mut merged = Vec::new();
    for _ in cases {
        let (status, tree) = (fields.next().expect("a status"), fields.next().expect("a tree"));
        merged.push((tree.to_owned(), status == "1"));
        // The paths in conflict, and what ends them.
        while !fields.next().expect("an end").is_empty() {}
    }
    merged
}

/// Merges by splicing what can be spliced; says how many that were.
async fn splices_are_what_git_merges(seed: u64, count: u64) -> usize {
    let s = Scratch::new().await;
    let cases = make(&s, seed, count).await;
    let merged = merged_by_git(&s, &cases).await;
    let mut spliced = 0;
    for (number, ((ours, theirs), (tree, is_clean))) in cases.iter().zip(merged).enumerate() {
        let (one, other) = (ours.clone(), theirs.clone());
        let found = s.repo.try_fast("merge-tree", move |at| at.splice(&one, &other)).await.expect("no panic");
        if let Some(found) = found {
            assert!(is_clean && found.as_str() == tree, "seed {seed}, case {number}: {found} is not {tree}");
            spliced += 1;
        }
    }
    spliced
}

/// How many histories are merged; more: `CONVOY_MERGES=20000 cargo test -p convoy-core --release a_spliced`.
fn merges() -> u64 {
    option_env!("CONVOY_MERGES").map_or(250, |count| count.parse().expect("a number of histories"))
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
