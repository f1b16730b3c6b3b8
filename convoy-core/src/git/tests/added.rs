//! The fast backend tells of the same added lines as the git program, whatever somebody wrote.

use super::histories::{Dice, make};
use super::same::reference;
use crate::git::testing::Scratch;
use crate::git::{Added, Repository};
use crate::types::Oid;

/// What is told, pieces of one text put together.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn take(&mut self, piece: Added<'_>) {
        match (piece, self.0.last_mut()) {
            (Added::Text(text), Some(last)) if last.starts_with('=') => {
                last.push_str(&String::from_utf8_lossy(text));
            }
            (Added::Text(text), _) => self.0.push(format!("={}", String::from_utf8_lossy(text))),
            (other, _) => self.0.push(format!("{other:?}")),
        }
    }
}

async fn added(repo: &Repository, from: &Oid, to: &Oid) -> Vec<String> {
    let mut told = Told::default();
    let paths = repo.changed_between(from, to).await.expect("compares");
    repo.added(from, to, &paths, &mut |piece| told.take(piece)).await.expect("reads");
    told.0
}

async fn added_before(repo: &Repository, from: &Oid, to: &Oid) -> Vec<String> {
    let mut told = Told::default();
    assert!(repo.added_before(from, to, &mut |piece| told.take(piece)).await.expect("reads"));
    told.0
}

/// The commit of a text in one file, on another.
async fn commit(s: &Scratch, text: &str, parent: Option<&Oid>) -> Oid {
    let parents: Vec<Oid> = parent.into_iter().cloned().collect();
    s.repo.sample_commit(&parents, &[("file", text)], "say").await
}

/// Lines of few kinds, so that many differences say the same; some with more than git compares at once.
fn text(dice: &mut Dice, lines: usize) -> Vec<String> {
    let kinds = ["", "{", "}", "  x", "    y", "say", "\tz", "end"];
    let mut line = || match dice.below(40) {
        0 => "long ".repeat(dice.below(400)),
        _ => (*dice.of(&kinds)).to_owned(),
    };
    (0..lines).map(|_| line()).collect()
}

fn edit(dice: &mut Dice, lines: &mut Vec<String>) {
    for _ in 0..=dice.below(6) {
        let at = dice.below(lines.len() + 1);
        let until = (at + dice.below(5)).min(lines.len());
        let count = dice.below(5);
        lines.splice(at..until, text(dice, count));
    }
}

fn whole(dice: &mut Dice, lines: &[String]) -> String {
    lines.join("\n") + if dice.percent(80) { "\n" } else { "" }
}

#[tokio::test]
async fn lines_that_could_be_told_in_several_ways_are_told_as_git_does() {
    let s = Scratch::new().await;
    let git = reference(&s).await;
    for case in 0..150 {
        let dice = &mut Dice(case);
        let count = dice.below(150);
        let mut lines = text(dice, count);
        let base = commit(&s, &whole(dice, &lines), None).await;
        edit(dice, &mut lines);
        let first = commit(&s, &whole(dice, &lines), Some(&base)).await;
        edit(dice, &mut lines);
        let last = commit(&s, &whole(dice, &lines), Some(&first)).await;
        let started = s.repo.programs_started();
        let fast = added(&s.repo, &base, &last).await;
        let fast_before = added_before(&s.repo, &base, &last).await;
        assert_eq!(s.repo.programs_started(), started, "case {case} needs no program");
        assert_eq!(fast, added(&git, &base, &last).await, "case {case}");
        assert_eq!(fast_before, added_before(&git, &base, &last).await, "case {case}");
    }
}

#[tokio::test]
async fn how_a_person_wants_changes_told_is_no_matter() {
    let s = Scratch::new().await;
    s.git(&["config", "diff.indentHeuristic", "false"]).await;
    s.git(&["config", "diff.algorithm", "patience"]).await;
    let git = reference(&s).await;
    let base = commit(&s, "/**\n * c\n */\nfoo\n", None).await;
    let work = commit(&s, "/**\n * b\n */\nbar\n/**\n * c\n */\nfoo\n", Some(&base)).await;
    let wanted = ["File(\"file\")", "Lines(1)", "=/**\n * b\n */\nbar\n"];
    assert_eq!(added(&s.repo, &base, &work).await, wanted);
    assert_eq!(added(&git, &base, &work).await, wanted);
}

#[tokio::test]
async fn what_would_take_long_to_compare_is_left_to_git() {
    let s = Scratch::new().await;
    let base = commit(&s, &"a\n".repeat(300_000), None).await;
    let work = commit(&s, &"b\n".repeat(300_000), Some(&base)).await;
    let (from, to) = (base.clone(), work.clone());
    let told = s.repo.try_fast("diff-tree", move |at| at.added(&from, &to)).await.expect("no panic");
    assert_eq!(told, None);
    assert_eq!(added(&s.repo, &base, &work).await.len(), 3);
}

#[tokio::test]
async fn histories_with_everything_in_them_are_told_as_git_tells_them() {
    let s = Scratch::new().await;
    let git = reference(&s).await;
    for (number, (ours, theirs)) in make(&s, 4711, 60).await.iter().enumerate() {
        let why = format!("case {number}");
        assert_eq!(added(&s.repo, ours, theirs).await, added(&git, ours, theirs).await, "{why}");
        let base = git.merge_base(ours, theirs).await.expect("looks").expect("they have one");
        assert_eq!(added(&s.repo, &base, ours).await, added(&git, &base, ours).await, "{why}");
        for from in [ours, &base] {
            let fast = added_before(&s.repo, from, theirs).await;
            assert_eq!(fast, added_before(&git, from, theirs).await, "{why}");
        }
    }
}
