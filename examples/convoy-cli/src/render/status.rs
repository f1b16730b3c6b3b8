//! A convoy for people: a table of its tasks, what became of it, and what to type next.

use std::path::Path;

use convoy_core::state::{AgentCalls, BudgetView, ConvoyView, TaskView};
use convoy_core::types::{ConvoyStatus, Cost, Measure, TaskStatus};

use super::event::failed_as;
use super::{count, duration, safe_line, some_of, table, thousands};

/// How commands are written so that they work from where the person stands.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    /// The program, with the options that tell where.
    command: String,
}

impl Hints {
    /// Commands of this program with these options, as they were given.
    pub(crate) fn new(program: &str, repo: Option<&Path>, state_dir: Option<&Path>) -> Self {
        let mut command = quoted(program);
        for (option, path) in [("--repo", repo), ("--state-dir", state_dir)] {
            if let Some(path) = path {
                command.push_str(&format!(" {option} {}", quoted(&path.to_string_lossy())));
            }
        }
        Self { command }
    }

    /// A command line.
    pub(crate) fn line(&self, rest: &str) -> String {
        format!("{} {rest}", self.command)
    }
}

/// The text as a shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    let text = safe_line(text);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `status` for people. `running`: a live engine runs it.
pub(crate) fn status_lines(view: &ConvoyView, running: bool, hints: &Hints) -> Vec<String> {
    let live = match (running, view.status.is_final()) {
        (true, _) => "",
        (false, true) => "",
        (false, false) => ", no engine runs it",
    };
    let status = match &view.stage {
        None if view.status == ConvoyStatus::Done && !view.published => "done, not published".to_owned(),
        Some(stage) if view.status == ConvoyStatus::Running => safe_line(stage),
        Some(stage) => format!("{}, {}", view.status, safe_line(stage)),
        None => view.status.to_string(),
    };
    let mut lines = vec![format!("{}  {}  {status}{live}", view.convoy_id, safe_line(&view.name))];
    lines.push(String::new());
    let header = ["TASK", "STATUS", "ATTEMPTS", "NOTE"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(view.tasks.iter().map(row)).collect();
    lines.extend(table(&rows));
    lines.push(String::new());
    lines.push(totals(view));
    lines.extend(gates(view));
    lines.extend(budget(&view.budget));
    lines.extend(branch(view));
    lines.extend(next(view, running, hints));
    lines
}

/// The end of a run for people.
pub(crate) fn summary_lines(view: &ConvoyView, interrupted: bool, hints: &Hints) -> Vec<String> {
    let first = match (interrupted, view.status) {
        (true, _) => format!("interrupted: {}", totals(view)),
        (false, ConvoyStatus::Done) if view.published => totals(view),
        (false, ConvoyStatus::Done) => format!("done, not published: {}", totals(view)),
        (false, status) => format!("{status}: {}", totals(view)),
    };
    let mut lines = vec![first];
    let open = view.tasks.iter().filter(|task| is_trouble(task)).take(10);
    lines.extend(open.map(|task| {
        let status = task.status.as_str();
        let note = note(task);
        let note = if note.is_empty() { note } else { format!(" ({note})") };
        format!("  {}: {status}{note}", safe_line(task.id.as_str()))
    }));
    lines.extend(unchanged(view));
    lines.extend(gates(view));
    lines.extend(unmeasured(view));
    lines.extend(branch(view));
    lines.extend(next(view, false, hints));
    lines
}

/// Tasks that are done and changed nothing: that may be right, and may be an agent that did not do its work.
fn unchanged(view: &ConvoyView) -> Option<String> {
    let same = view.tasks.iter().filter(|task| task.no_changes == Some(true));
    let same: Vec<String> = same.map(|task| task.id.to_string()).collect();
    (!same.is_empty()).then(|| format!("done without a change: {}", some_of(&same)))
}

/// The budget, where it could not be kept because agents did not say what they used.
fn unmeasured(view: &ConvoyView) -> Option<String> {
    let silent = view.budget.iter().any(|limit| limit.at_least);
    let said = budget(&view.budget).filter(|_| silent)?;
    Some(format!("{said}; agents did not say what they used, and no limit is reached by that"))
}

fn is_trouble(task: &TaskView) -> bool {
    use TaskStatus as S;
    matches!(
        task.status,
        S::Failed | S::TimedOut | S::GateFailed | S::HookFailed | S::ReviewBlocked | S::Disputed
    )
}

fn row(task: &TaskView) -> Vec<String> {
    vec![safe_line(task.id.as_str()), task.status.to_string(), task.attempts.to_string(), note(task)]
}

/// What there is to say of a task beside its status.
fn note(task: &TaskView) -> String {
    let waits = task.waiting_for.as_ref().map(|what| match task.status {
        TaskStatus::Skipped => safe_line(what),
        _ => format!("waits for {}", safe_line(what)),
    });
    let landed = task.commit.as_ref().map(|commit| commit.as_str().get(..10).unwrap_or_default().to_owned());
    let same = task.no_changes.map(|_| "no changes".to_owned());
    // The failure of an earlier attempt matters only until the task is done.
    let failure = task.failure.as_ref().filter(|_| task.status != TaskStatus::Done);
    let failure = failure.map(|failure| failed_as(task.status, failure));
    let letter = task.dead_letter.as_ref().map(|id| format!("dead letter {}", safe_line(id)));
    let dispute = task.dispute.as_ref().map(|id| safe_line(id));
    let unreviewed = task.unreviewed.map(|_| "not reviewed".to_owned());
    let budget = budget(&task.budget);
    let parts = [landed, same, unreviewed, waits, failure, letter, dispute];
    let consumed = consumed(task.tokens, task.cost_usd, task.agent_calls);
    parts.into_iter().flatten().chain(consumed).chain(budget).collect::<Vec<_>>().join(", ")
}

/// How near the limits of a budget are. What nobody has said is unknown, and no zero.
fn budget(limits: &[BudgetView]) -> Option<String> {
    let limit = |of: &BudgetView| {
        let least = if of.at_least && of.used.is_some() { "at least " } else { "" };
        let used = match (of.measure, of.used) {
            (_, None) => "unknown".to_owned(),
            // Parts of a second tell nobody anything.
            (Measure::WallTime, Some(used)) => used.floor().to_string(),
            (_, Some(used)) => used.to_string(),
        };
        format!("{least}{used} of {} {}", of.limit, of.measure)
    };
    let limits: Vec<String> = limits.iter().map(limit).collect();
    (!limits.is_empty()).then(|| format!("budget: {}", limits.join(", ")))
}

/// What agents say they consumed. A sum that leaves somebody out says so.
fn consumed(tokens: Option<u64>, cost: Option<Cost>, calls: AgentCalls) -> impl Iterator<Item = String> {
    let least = |silent: u32| if silent > 0 { "at least " } else { "" };
    let tokens = tokens.map(|tokens| format!("{}{} tokens", least(calls.without_tokens), thousands(tokens)));
    let cost = cost.map(|cost| format!("{}{cost}", least(calls.without_cost)));
    tokens.into_iter().chain(cost)
}

/// What no agent said.
fn unknown(view: &ConvoyView) -> Option<&'static str> {
    match (view.tokens, view.cost_usd) {
        _ if view.agent_calls.total == 0 => None,
        (None, None) => Some("tokens and cost unknown"),
        (None, Some(_)) => Some("tokens unknown"),
        (Some(_), None) => Some("cost unknown"),
        (Some(_), Some(_)) => None,
    }
}

fn totals(view: &ConvoyView) -> String {
    let totals = &view.totals;
    let numbers = [
        (totals.failed, "failed"),
        (totals.timed_out, "timed out"),
        (totals.skipped, "skipped"),
        (totals.cancelled, "cancelled"),
        (totals.open, "open"),
        (totals.unreviewed, "not reviewed"),
    ];
    let mut line = match totals.total {
        1 if totals.done == 1 => "the task is done".to_owned(),
        all if totals.done == all => format!("all {all} tasks are done"),
        all => format!("{} of {} done", totals.done, count(all, "task")),
    };
    for (number, what) in numbers.into_iter().filter(|(number, _)| *number > 0) {
        line.push_str(&format!(", {number} {what}"));
    }
    let consumed = consumed(view.tokens, view.cost_usd, view.agent_calls);
    for part in consumed.chain(unknown(view).map(str::to_owned)) {
        line.push_str(&format!(" · {part}"));
    }
    if let Some(end) = view.finished_at {
        line.push_str(&format!(" · {} since the start", duration(end.since(view.created_at))));
    }
    line
}

/// What the gates, the hooks and the guard of the convoy said.
fn gates(view: &ConvoyView) -> Vec<String> {
    let gates = view.gates.as_ref().map(|gates| {
        let round = if gates.round > 1 { format!(" (round {})", gates.round) } else { String::new() };
        match gates.passed {
            true => format!("the gates of the convoy passed{round}"),
            false => format!("gates of the convoy failed{round}: {}", some_of(&gates.failed)),
        }
    });
    let failed = Some(&view.failed_hooks).filter(|hooks| !hooks.is_empty());
    let hooks = failed.map(|hooks| format!("hooks of the convoy failed: {}", some_of(hooks)));
    let found = view.guard.iter().flat_map(|guard| &guard.warnings).take(10);
    let found = found.map(|warning| format!("the guard found: {}", safe_line(warning)));
    gates.into_iter().chain(hooks).chain(found).collect()
}

/// Where the work is.
fn branch(view: &ConvoyView) -> Vec<String> {
    let name = safe_line(&view.branch);
    if view.totals.done == 0 && view.published {
        return vec![format!("nothing landed yet; it will be on {name}")];
    }
    if view.published && view.tasks.iter().all(|task| task.commit.is_none()) {
        return vec![format!("nothing landed: no task that is done changed anything, {name} is as it was")];
    }
    if view.published {
        return vec![format!("everything that landed is on {name}")];
    }
    let mut lines = Vec::new();
    match &view.publish_blocked {
        Some(reason) => lines.push(format!("not on {name}: {}", safe_line(reason))),
        None => lines.push(format!("not all on {name} yet")),
    }
    if let Some(paths) = &view.paths_in_the_way {
        lines.push(format!("in the way: {}", some_of(paths)));
    }
    lines.push(format!("everything that landed is kept: git log {}", quoted(&view.integration_ref)));
    lines
}

/// What to type next.
fn next(view: &ConvoyView, running: bool, hints: &Hints) -> Vec<String> {
    let id = view.convoy_id.as_str();
    let mut lines = Vec::new();
    let mut say = |rest: String, what: &str| lines.push(format!("next: {}   # {what}", hints.line(&rest)));
    if running {
        say(format!("events {id} --follow"), "watch it");
        return lines;
    }
    match view.status {
        ConvoyStatus::Done if view.published => {}
        ConvoyStatus::Done => say(format!("publish {id}"), "once nothing is in the way"),
        ConvoyStatus::Failed
        | ConvoyStatus::GateFailed
        | ConvoyStatus::HookFailed
        | ConvoyStatus::Cancelled => {
            if let Some(task) = view.tasks.iter().find(|task| is_trouble(task) && task.attempts > 0) {
                let task = quoted(task.id.as_str());
                say(format!("show {task} --convoy {id}"), "what happened, and what was said of it");
            }
            if view.tasks.iter().any(|task| task.status == TaskStatus::Disputed) {
                say(format!("dispute list {id}"), "what the reviewers blocked");
            }
            if view.tasks.iter().any(|task| task.dead_letter.is_some()) {
                say(format!("dlq list {id}"), "what was given up");
            }
            let what = match view.totals.done == view.totals.total {
                true => "check the merged result again",
                false => "take up what is not done",
            };
            say(format!("retry {id}"), what);
            if !view.published {
                say(format!("publish {id}"), "bring what landed onto the branch");
            }
        }
        _ => say(format!("resume {id}"), "continue where it stopped"),
    }
    lines
}

#[cfg(test)]
mod tests {
    use convoy_core::state::{GatesView, GuardView};
    use convoy_core::types::{Failure, FailureKind, Timestamp};

    use super::*;
    use crate::testing::{oid, view};

    fn hints() -> Hints {
        Hints::new("convoy", Some(Path::new("/my repo")), None)
    }

    fn command(rest: &str) -> String {
        rest.replace("ID", view(&[]).convoy_id.as_str())
    }

    fn failed_view() -> ConvoyView {
        let mut view = view(&[
            ("a", TaskStatus::Done),
            ("long name", TaskStatus::GateFailed),
            ("c", TaskStatus::Skipped),
            ("d", TaskStatus::Pending),
            ("e", TaskStatus::Done),
        ]);
        view.status = ConvoyStatus::Failed;
        view.finished_at = Some(Timestamp(65_000));
        view.tokens = Some(1234);
        view.cost_usd = Some(Cost::from(1.5));
        view.tasks[0].commit = Some(oid('c'));
        view.tasks[0].failure = Some(Failure::new(FailureKind::Error, "earlier"));
        view.tasks[1].failure =
            Some(Failure::new(FailureKind::Gate("npm test".into()), "exit \u{1b}[1mcode 1\nx"));
        view.tasks[1].dead_letter = Some("d1".into());
        view.tasks[1].attempts = 2;
        view.tasks[2].waiting_for = Some("long name failed".into());
        view.tasks[3].waiting_for = Some("task c".into());
        view.tasks[4].no_changes = Some(true);
        view
    }

    #[test]
    fn a_failed_convoy_shows_its_tasks_and_what_to_type_next() {
        let wanted = [
            &*command("ID  demo  failed"),
            "",
            "TASK       STATUS       ATTEMPTS  NOTE",
            "a          done         1         cccccccccc",
            "long name  gate-failed  2         gate:npm test: exit code 1 …, dead letter d1",
            "c          skipped      1         long name failed",
            "d          pending      1         waits for task c",
            "e          done         1         no changes",
            "",
            "2 of 5 tasks done, 1 failed, 1 skipped, 1 open · 1,234 tokens · $1.5000 · 1m 05s since the start",
            "everything that landed is on main",
            &command(
                "next: convoy --repo '/my repo' show 'long name' --convoy ID   # what happened, and what was said of it",
            ),
            &command("next: convoy --repo '/my repo' dlq list ID   # what was given up"),
            &command("next: convoy --repo '/my repo' retry ID   # take up what is not done"),
        ];
        assert_eq!(status_lines(&failed_view(), false, &hints()), wanted);
    }

    #[test]
    fn what_nobody_said_of_a_budget_is_unknown_and_not_zero() {
        let limit =
            |measure, limit, used, at_least| BudgetView { measure, limit, used, at_least, exceeded: false };
        let limits = [
            limit(Measure::Tokens, 1000.0, Some(600.0), true),
            limit(Measure::CostUsd, 2.5, None, true),
            limit(Measure::WallTime, 60.0, Some(12.75), false),
        ];
        let wanted = "budget: at least 600 of 1000 tokens, unknown of 2.5 dollars, 12 of 60 seconds";
        assert_eq!(budget(&limits).as_deref(), Some(wanted));
        assert_eq!(budget(&[]), None);
        let mut view = view(&[("a", TaskStatus::Pending)]);
        (view.budget, view.tasks[0].budget) = (limits.to_vec(), limits[1..2].to_vec());
        let lines = status_lines(&view, true, &hints());
        assert!(lines[3].ends_with("budget: unknown of 2.5 dollars"), "{lines:?}");
        assert!(lines.iter().any(|line| line == wanted), "{lines:?}");
    }

    #[test]
    fn sums_say_what_is_missing_in_them() {
        let calls = |without_tokens, without_cost| AgentCalls { total: 3, without_tokens, without_cost };
        let cases = [
            (Some(120), Some(0.5), calls(0, 0), "120 tokens · $0.5000"),
            (Some(120), Some(0.5), calls(2, 1), "at least 120 tokens · at least $0.5000"),
            (Some(120), None, calls(1, 3), "at least 120 tokens · cost unknown"),
            (None, Some(0.5), calls(3, 0), "$0.5000 · tokens unknown"),
            (None, None, calls(3, 3), "tokens and cost unknown"),
        ];
        for (tokens, cost, agent_calls, wanted) in cases {
            let cost_usd = cost.map(Cost::from);
            let mut view = ConvoyView { tokens, cost_usd, agent_calls, ..view(&[("a", TaskStatus::Done)]) };
            assert_eq!(totals(&view), format!("the task is done · {wanted}"));
            (view.tasks[0].tokens, view.tasks[0].agent_calls) = (Some(7), agent_calls);
            let least = if agent_calls.without_tokens > 0 { "at least " } else { "" };
            assert_eq!(note(&view.tasks[0]), format!("{least}7 tokens"));
        }
        assert_eq!(totals(&view(&[("a", TaskStatus::Done)])), "the task is done", "nobody was called");
    }

    #[test]
    fn the_summary_of_a_run_names_what_failed() {
        let lines = summary_lines(&failed_view(), false, &hints());
        let totals = "2 of 5 tasks done, 1 failed, 1 skipped, 1 open · 1,234 tokens · $1.5000 · 1m 05s since the start";
        assert_eq!(lines[0], format!("failed: {totals}"));
        assert_eq!(lines[1], "  long name: gate-failed (gate:npm test: exit code 1 …, dead letter d1)");
        assert_eq!(lines[2], "done without a change: e");
        assert_eq!(lines.len(), 7);
    }

    #[test]
    fn a_convoy_that_landed_nothing_or_measured_nothing_says_so() {
        let mut view = view(&[("a", TaskStatus::Done)]);
        view.tasks[0].no_changes = Some(true);
        let wanted = "nothing landed: no task that is done changed anything, main is as it was";
        assert_eq!(summary_lines(&view, false, &hints())[1..], ["done without a change: a", wanted]);
        view.budget = vec![BudgetView {
            measure: Measure::Tokens,
            limit: 5.0,
            used: None,
            at_least: true,
            exceeded: false,
        }];
        let said = &summary_lines(&view, false, &hints())[2];
        assert!(said.starts_with("budget: unknown of 5 tokens; agents did not say"), "{said}");
        view.published = false;
        assert!(summary_lines(&view, false, &hints())[0].starts_with("done, not published: "));
        assert!(status_lines(&view, false, &hints())[0].ends_with("demo  done, not published"));
    }

    #[test]
    fn what_to_type_next_follows_from_the_status() {
        let hints = Hints::new("convoy", None, None);
        let cases = [
            (ConvoyStatus::Done, true, false, ""),
            (ConvoyStatus::Done, false, false, "next: convoy publish ID   # once nothing is in the way"),
            (ConvoyStatus::Running, false, false, "next: convoy resume ID   # continue where it stopped"),
            (ConvoyStatus::Paused, false, false, "next: convoy resume ID   # continue where it stopped"),
            (ConvoyStatus::Running, false, true, "next: convoy events ID --follow   # watch it"),
            (
                ConvoyStatus::GateFailed,
                true,
                false,
                "next: convoy retry ID   # check the merged result again",
            ),
        ];
        for (status, published, running, wanted) in cases {
            let view = ConvoyView { status, published, ..view(&[("a", TaskStatus::Done)]) };
            assert_eq!(
                next(&view, running, &hints).join("\n"),
                command(wanted),
                "{status} {published} {running}"
            );
        }
    }

    #[test]
    fn the_gates_of_the_convoy_are_told() {
        let judged = |passed, round, failed: &[&str]| {
            let failed = failed.iter().map(|gate| (*gate).to_owned()).collect();
            let gates = Some(GatesView { passed, round, commit: oid('a'), failed });
            ConvoyView { gates, ..view(&[("a", TaskStatus::Done)]) }
        };
        assert_eq!(gates(&judged(true, 1, &[])), ["the gates of the convoy passed"]);
        let failed = "gates of the convoy failed (round 2): npm test, lint\u{fffd}";
        let view = judged(false, 2, &["npm test", "lint\u{7}"]);
        let guard = Some(GuardView { passed: false, warnings: vec!["process 7 still runs".into()] });
        let view = ConvoyView { failed_hooks: vec!["tell".into()], guard, ..view };
        let others = ["hooks of the convoy failed: tell", "the guard found: process 7 still runs"];
        assert_eq!(gates(&view), [&[failed], &others[..]].concat());
        let stage = Some("running its gates (round 2)".to_owned());
        let running = ConvoyView { status: ConvoyStatus::Running, stage, ..view };
        let first = &status_lines(&running, true, &hints())[0];
        assert_eq!(*first, command("ID  demo  running its gates (round 2)"));
    }

    #[test]
    fn work_that_is_not_on_the_branch_is_said_to_be_kept_and_why() {
        let blocked = ConvoyView {
            published: false,
            publish_blocked: Some("local changes".into()),
            paths_in_the_way: Some(vec!["a.txt".into(), "b\u{7}".into()]),
            ..view(&[("a", TaskStatus::Done)])
        };
        let wanted = [
            "not on main: local changes",
            "in the way: a.txt, b\u{fffd}",
            "everything that landed is kept: git log refs/convoy/x/integration",
        ];
        assert_eq!(branch(&blocked), wanted);
        let first =
            &status_lines(&ConvoyView { status: ConvoyStatus::Running, ..blocked }, false, &hints())[0];
        assert_eq!(*first, command("ID  demo  running, no engine runs it"));
        assert_eq!(branch(&view(&[])), ["nothing landed yet; it will be on main"]);
    }

    #[test]
    fn a_quoted_text_reads_back() {
        for (text, wanted) in
            [("a/b-1", "a/b-1"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(text), wanted);
        }
    }
}
