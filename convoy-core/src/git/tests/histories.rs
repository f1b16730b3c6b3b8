//! Histories made from a number: two sides of a merge, with all that makes merging hard.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::git::testing::Scratch;
use crate::process::{Command, Limits, capture};
use crate::types::Oid;

/// Numbers that follow from the first (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    pub(super) fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }

    /// Whether something happens that does so in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// A file: its mode and its content, or the commit that a submodule is at.
type Files = BTreeMap<String, (&'static str, Vec<u8>)>;

const FOLDERS: [&str; 7] = ["", "a/", "a/b/", "a.b/", "c/", "c/d/e/", "ü/"];
const NAMES: [&str; 8] = ["f", "f0", "F", "g.txt", "h-", "b", "d", "é"];
const SUBMODULE: &str = "160000";

fn some_path(dice: &mut Dice) -> String {
    format!("{}{}", dice.of(&FOLDERS), dice.of(&NAMES))
}

/// Puts a file at a path; what cannot be beside it goes.
fn put(files: &mut Files, path: &str, file: (&'static str, Vec<u8>)) {
    files.retain(|other, _| {
        !(other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/")))
    });
    files.insert(path.to_owned(), file);
}

fn content(dice: &mut Dice) -> (&'static str, Vec<u8>) {
    let number = dice.below(1000);
    match dice.below(12) {
        0 => ("120000", format!("to/{}", number % 5).into_bytes()),
        1 => (SUBMODULE, format!("{:040x}", number % 7 + 1).into_bytes()),
        2 => ("100644", format!("bin\0{number}").into_bytes()),
        3 => ("100755", format!("#!/bin/sh\n{number}\n").into_bytes()),
        4 => ("100644", Vec::new()),
        5 => ("100644", format!("no line end {number}").into_bytes()),
        _ => {
            let lines: String =
                (0..dice.below(20) + 4).map(|line| format!("{} of {number}\n", line % 6)).collect();
            ("100644", lines.into_bytes())
        }
    }
}

/// Changes some lines of a text, or the whole of what is no text.
fn edit(dice: &mut Dice, (mode, content): &mut (&'static str, Vec<u8>)) {
    let number = dice.below(50);
    match (*mode, std::str::from_utf8(content)) {
        (SUBMODULE, _) => *content = format!("{:040x}", number % 7 + 1).into_bytes(),
        ("120000", _) => *content = format!("to/{number}").into_bytes(),
        (_, Ok(text)) if text.contains('\n') => {
            let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
            let at = dice.below(lines.len());
            match dice.below(3) {
                0 => lines[at] = format!("edited {number}"),
                1 => lines.insert(at, format!("new {number}")),
                _ => drop(lines.remove(at)),
            }
            *content = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        }
        _ => content.extend_from_slice(format!("{number}").as_bytes()),
    }
}

/// Changes files as somebody would who has no regard for others. `gentle`: only edits and new files.
fn work(dice: &mut Dice, files: &mut Files, gentle: bool) {
    for _ in 0..=dice.below(4) {
        let paths: Vec<String> = files.keys().cloned().collect();
        if paths.is_empty() || dice.percent(25) {
            let file = content(dice);
            let path = some_path(dice);
            if !gentle || !files.contains_key(&path) {
                put(files, &path, file);
            }
            continue;
        }
        let path = dice.of(&paths).clone();
        let kind = if gentle { 0 } else { dice.below(9) };
        match kind {
            1 | 2 => drop(files.remove(&path)),
            3 => {
                let mut file = files.remove(&path).expect("it is one of them");
                if dice.percent(50) {
                    edit(dice, &mut file);
                }
                put(files, &some_path(dice), file);
            }
            4 => {
                // A whole folder moves.
                let from = dice.of(&FOLDERS[1..]);
                let to = dice.of(&["new/", "a/b/c/", "C/", "a/"]);
                let moved: Vec<_> = paths.iter().filter(|path| path.starts_with(from)).collect();
                for path in moved {
                    if let Some(file) = files.remove(path) {
                        put(files, &format!("{to}{}", &path[from.len()..]), file);
                    }
                }
            }
            5 => {
                if let Some((mode, _)) = files.get_mut(&path).filter(|(mode, _)| mode.starts_with("100")) {
                    *mode = if *mode == "100644" { "100755" } else { "100644" };
                }
            }
            6 => {
                let file = content(dice);
                files.insert(path, file);
            }
            _ => edit(dice, files.get_mut(&path).expect("it is one of them")),
        }
    }
}

/// Writes commits for `git fast-import`.
struct Import {
    stream: Vec<u8>,
    marks: usize,
}

impl Import {
    fn commit(&mut self, name: &str, parents: &[usize], files: &Files) -> usize {
        self.marks += 1;
        let mut head = format!("commit refs/cases/{name}\nmark :{}\n", self.marks);
        head.push_str(&format!("committer A <a@b> {} +0000\ndata 1\nx\n", 1_700_000_000 + self.marks));
        for (word, parent) in ["from", "merge"].iter().zip(parents) {
            head.push_str(&format!("{word} :{parent}\n"));
        }
        self.stream.extend_from_slice(head.as_bytes());
        self.stream.extend_from_slice(b"deleteall\n");
        for (path, (mode, content)) in files {
            if *mode == SUBMODULE {
                let id = String::from_utf8_lossy(content);
                self.stream.extend_from_slice(format!("M {mode} {id} {path}\n").as_bytes());
                continue;
            }
            let head = format!("M {mode} inline {path}\ndata {}\n", content.len());
            self.stream.extend_from_slice(&[head.as_bytes(), content, b"\n"].concat());
        }
        self.stream.push(b'\n');
        self.marks
    }

    /// One case: a base, and two sides of it.
    fn case(&mut self, dice: &mut Dice, number: u64) {
        let mut files = Files::new();
        for _ in 0..dice.below(14) + 1 {
            let file = content(dice);
            put(&mut files, &some_path(dice), file);
        }
        let side = |name: &str| format!("{number}/{name}");
        let base = self.commit(&side("base"), &[], &files);
        let (mut ours, mut theirs) = (files.clone(), files.clone());
        let (mut our_parents, mut their_parents) = (vec![base], vec![base]);
        if dice.percent(15) {
            // Each side has merged the other before: two best common ancestors.
            work(dice, &mut ours, true);
            work(dice, &mut theirs, true);
            let one = self.commit(&side("one"), &[base], &ours);
            let other = self.commit(&side("other"), &[base], &theirs);
            for (path, file) in theirs.clone() {
                put(&mut ours, &path, file);
            }
            theirs = ours.clone();
            (our_parents, their_parents) = (vec![one, other], vec![other, one]);
        }
        let (our_gentle, their_gentle) = (dice.percent(60), dice.percent(60));
        if dice.percent(95) {
            work(dice, &mut ours, our_gentle);
        }
        if dice.percent(95) {
            work(dice, &mut theirs, their_gentle);
        }
        self.commit(&side("ours"), &our_parents, &ours);
        self.commit(&side("theirs"), &their_parents, &theirs);
    }
}

/// A tip and a line of commits beside it, for each case, in order.
pub(super) async fn lines(s: &Scratch, seed: u64, cases: u64) -> Vec<(Oid, Oid)> {
    let mut import = Import { stream: Vec::new(), marks: 0 };
    for number in 0..cases {
        let dice = &mut Dice(seed.wrapping_add(number));
        let mut files = Files::new();
        for _ in 0..dice.below(10) + 4 {
            let file = content(dice);
            // git's own rebase writes files, and would look into submodules.
            if file.0 != SUBMODULE {
                put(&mut files, &some_path(dice), file);
            }
        }
        let base = import.commit(&format!("{number}/base"), &[], &files);
        let mut ours = files.clone();
        work(dice, &mut ours, true);
        ours.retain(|_, (mode, _)| *mode != SUBMODULE);
        import.commit(&format!("{number}/ours"), &[base], &ours);
        let (mut theirs, mut last) = (files, base);
        for _ in 0..=dice.below(4) {
            let gentle = dice.percent(70);
            work(dice, &mut theirs, gentle);
            theirs.retain(|_, (mode, _)| *mode != SUBMODULE);
            last = import.commit(&format!("{number}/theirs"), &[last], &theirs);
        }
    }
    feed(s, &["fast-import", "--quiet"], import.stream).await;
    sides(s, cases).await
}

/// The two sides of each case, in order.
pub(super) async fn make(s: &Scratch, seed: u64, cases: u64) -> Vec<(Oid, Oid)> {
    let mut import = Import { stream: Vec::new(), marks: 0 };
    for number in 0..cases {
        import.case(&mut Dice(seed.wrapping_add(number)), number);
    }
    feed(s, &["fast-import", "--quiet"], import.stream).await;
    sides(s, cases).await
}

async fn sides(s: &Scratch, cases: u64) -> Vec<(Oid, Oid)> {
    let refs: BTreeMap<_, _> = s.repo.list_refs("refs/cases").await.expect("lists").into_iter().collect();
    let side = |number: u64, name: &str| refs[&format!("refs/cases/{number}/{name}")].clone();
    (0..cases).map(|number| (side(number, "ours"), side(number, "theirs"))).collect()
}

/// What git prints when it reads this.
pub(super) async fn feed(s: &Scratch, args: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut command = Command::new("git", &s.root).args(args.iter().copied());
    command.env.extend(crate::git::testing::env().into_iter().map(|(k, v)| (k.into(), v.into())));
    command.stdin = input;
    let done = capture(command, &Limits::default(), &CancellationToken::new(), 1 << 28).await;
    let done = done.expect("git starts");
    assert!(done.exit.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}
