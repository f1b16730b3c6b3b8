//! Which candidates are verified next, and what their verdicts mean. Pure: no state, no git, no clock.
//!
//! A *candidate* is the tip with some work that waits merged onto it, one landing commit on top of the other. The
//! ref only ever moves to a candidate whose tree passed (is *green*), so what landed is green at every moment.
//!
//! - Work that was not seen to fail stands in one lane, in the order in which it came: its candidates are the
//!   prefixes of the lane. Every `batch` further pieces make one more run, up to `window` runs at once.
//! - A green prefix lands as a whole, whatever is known or awaited of shorter ones.
//! - A red prefix is bisected: longer ones are stopped, and the middle between the tip and it is next. When the first
//!   piece alone is red it is *set aside*, as a suspect: everybody who waited then goes first.
//! - When only suspects are left in front, each is tried alone on the tip, and once more on the very same tree where
//!   that was red. One that is green lands, and the others are tried anew, for the tip is another. Once all of them are
//!   red, twice each, on one and the same tip they are *blamed*.
//! - A tip that nothing has landed on was perhaps never green: before anybody is blamed it is verified by itself, without
//!   any work, and once more where that is red. When it stays red, nobody is to blame: suspects give way to what came
//!   later, and are *held* while other work is on its way, which may mend it. When there is none left they fail
//!   without another try, and are told that it is not for their work.
//!
//! Verdicts belong to trees. Changes that cannot touch make the same tree in either order, so what was seen of one
//! order holds for the other, and work lands out of order without another run when all of it agrees. A tree is run
//! again only for the second look at a suspect, and where the first run was stopped without a verdict.
//!
//! # What is promised
//! For pieces of work that wait together (each property is tried against all subsets in `model.rs`):
//!
//! - What has landed is green at every moment.
//! - Whoever is blamed is red together with what has landed when the last of them is decided; so all that is green
//!   with what landed has landed. A red run that would have been green costs nobody the verdict unless it happens
//!   twice to the same tree.
//! - With `n` pieces of work, `b` = `batch`, at most `w` runs at once, `a` pieces set aside and `l` of those landed
//!   later, at most `⌈n/b⌉ + a·w·(2 + ⌈log₂(b·w)⌉) + 2·a·(l + 1)` runs of work begin; `⌈n/b⌉` where nothing is red and
//!   `w` = 1. Two more at most are of the tip by itself, as long as nothing has landed.

/// Where in the line a piece of work stands: lower goes first.
pub(in crate::schedule) type Rank = (u64, bool, u64);

/// A piece of work that waits to land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::schedule) struct Place {
    /// When it came.
    pub(in crate::schedule) order: u64,
    /// Where it was set aside: the newest that had come by then.
    pub(in crate::schedule) aside: Option<u64>,
}

impl Place {
    /// Lower goes first: whoever is set aside stands behind all that waited then, and before all that come later.
    pub(in crate::schedule) fn rank(self) -> Rank {
        (self.aside.unwrap_or(self.order), self.aside.is_some(), self.order)
    }

    /// Whether it was seen to fail alone.
    pub(in crate::schedule) fn is_suspect(self) -> bool {
        self.aside.is_some()
    }
}

/// What is known of the tree of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::schedule) enum Seen {
    Nothing,
    Running,
    /// So many runs of it failed.
    Red(u32),
    Green,
}

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::schedule) struct Rules {
    /// Most pieces of work that one run adds; at least 1.
    pub(in crate::schedule) batch: usize,
    /// Most runs at once; at least 1.
    pub(in crate::schedule) window: usize,
}

impl Rules {
    /// Pieces of a lane that matter now.
    pub(in crate::schedule) fn reach(self) -> usize {
        self.batch.saturating_mul(self.window)
    }
}

/// A candidate: the first `count` pieces of a lane. None of them: the tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::schedule) struct Prefix {
    pub(in crate::schedule) lane: usize,
    pub(in crate::schedule) count: usize,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::schedule) enum Step {
    /// Its tree is green: the ref moves there.
    Land(Prefix),
    /// The first piece of the lane fails on the tip.
    SetAside,
    /// All pieces of all lanes stay red, and the tip is green.
    Blame,
    /// All pieces of all lanes stay red, and so does the tip.
    RedTip,
    /// Begin runs, and end others. Nothing of both: what runs is awaited.
    Verify { begin: Vec<Prefix>, end: Vec<Prefix> },
}

/// Decides about work that was not seen to fail: `lane` has for each prefix what is known of its tree.
pub(in crate::schedule) fn fresh(lane: &[Seen], rules: Rules) -> Step {
    let prefix = |at: usize| Prefix { lane: 0, count: at + 1 };
    let running = |seen: &Seen| *seen == Seen::Running;
    if let Some(green) = lane.iter().rposition(|seen| *seen == Seen::Green) {
        return Step::Land(prefix(green));
    }
    let Some(red) = lane.iter().position(|seen| matches!(seen, Seen::Red(_))) else {
        let mut under_way = lane.iter().filter(|seen| running(seen)).count();
        let mut reached = lane.iter().rposition(running).map_or(0, |at| at + 1);
        let mut begin = Vec::new();
        while under_way < rules.window && reached < lane.len() {
            reached = (reached + rules.batch).min(lane.len());
            begin.push(Prefix { lane: 0, count: reached });
            under_way += 1;
        }
        return Step::Verify { begin, end: Vec::new() };
    };
    if red == 0 {
        return Step::SetAside;
    }
    let end = (red..lane.len()).filter(|at| running(&lane[*at])).map(prefix).collect();
    let awaited = lane[..red].iter().any(running);
    let begin = if awaited { Vec::new() } else { vec![Prefix { lane: 0, count: red.div_ceil(2) }] };
    Step::Verify { begin, end }
}

/// Decides about suspects: what is known of the tree of each of them alone on the tip, and of that of the tip.
pub(in crate::schedule) fn suspects(each: &[Seen], tip: Seen, rules: Rules) -> Step {
    let alone = |lane: usize| Prefix { lane, count: 1 };
    if let Some(green) = each.iter().position(|seen| *seen == Seen::Green) {
        return Step::Land(alone(green));
    }
    let of = |wanted: fn(&Seen) -> bool| each.iter().enumerate().filter(move |(_, seen)| wanted(seen));
    let running = of(|seen| *seen == Seen::Running).count();
    let unseen: Vec<usize> = of(|seen| *seen == Seen::Nothing).map(|(at, _)| at).collect();
    let once: Vec<usize> = of(|seen| *seen == Seen::Red(1)).map(|(at, _)| at).collect();
    // A second look is worth it only where the tip stays.
    let next = if unseen.is_empty() && running == 0 { once } else { unseen };
    if next.is_empty() && running == 0 {
        return innocent_or_not(tip);
    }
    let begin = next.into_iter().take(rules.window.saturating_sub(running)).map(alone).collect();
    Step::Verify { begin, end: Vec::new() }
}

/// Decides what it means that all suspects are red.
fn innocent_or_not(tip: Seen) -> Step {
    let begin = match tip {
        Seen::Green => return Step::Blame,
        Seen::Red(times) if times > 1 => return Step::RedTip,
        Seen::Running => Vec::new(),
        Seen::Nothing | Seen::Red(_) => vec![Prefix { lane: 0, count: 0 }],
    };
    Step::Verify { begin, end: Vec::new() }
}
