//! Tests of planning.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Plan, PlanProblem, check, plan};
use crate::spec::{Spec, decode};
use crate::types::{TaskId, TaskIx};

/// A spec of tasks `(id, depends_on, files)`, with everything else at its default.
fn spec(tasks: &[(String, Vec<String>, Vec<String>)]) -> Spec {
    let mut spec = decode("name: n\nversion: 1\ntasks: [{id: a, prompt: p}]\n").spec.expect("valid");
    let one = spec.tasks.remove(0);
    let id = |text: &String| TaskId::new(text).expect("an id");
    for (name, depends_on, files) in tasks {
        let mut task = one.clone();
        task.id = id(name);
        task.depends_on = depends_on.iter().map(id).collect();
        task.files = files.clone();
        spec.tasks.push(task);
    }
    spec
}

/// `a<b,c:src,docs` is the task `a` that depends on `b` and `c` and has two paths.
fn parsed(lines: &[&str]) -> Spec {
    let list =
        |text: &str| text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let tasks: Vec<_> = lines
        .iter()
        .map(|line| {
            let (rest, files) = line.split_once(':').unwrap_or((line, ""));
            let (id, depends_on) = rest.split_once('<').unwrap_or((rest, ""));
            (id.to_owned(), list(depends_on), list(files))
        })
        .collect();
    spec(&tasks)
}

fn planned(lines: &[&str]) -> Plan {
    plan(Arc::new(parsed(lines))).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(lines: &[&str]) -> Vec<String> {
    plan(Arc::new(parsed(lines))).expect_err("refused").iter().map(ToString::to_string).collect()
}

#[test]
fn phases_paths_and_neighbours_are_those_of_the_graph() {
    let plan = planned(&["d<b,c", "a", "b<a", "c<a", "e"]);
    let facts: Vec<(u32, u32)> =
        plan.indices().map(|ix| (plan.task(ix).phase, plan.task(ix).remaining)).collect();
    assert_eq!(facts, [(3, 1), (1, 3), (2, 2), (2, 2), (1, 1)]);
    assert_eq!(plan.phases(), 3);
    assert_eq!(plan.task(TaskIx(0)).depends_on, [TaskIx(2), TaskIx(3)]);
    assert_eq!(plan.task(TaskIx(1)).dependants, [TaskIx(2), TaskIx(3)]);
    assert_eq!(plan.find(&TaskId::new("c").expect("id")), Some(TaskIx(3)));
    assert_eq!(plan.find(&TaskId::new("x").expect("id")), None);
    assert_eq!((plan.dir_name(TaskIx(0)), plan.len()), ("0-d".to_owned(), 5));
}

#[test]
fn wrong_dependencies_are_named() {
    let cases: [(&[&str], &[&str]); 7] = [
        (&["a<b", "b<a"], &["these tasks wait for each other: a → b → a"]),
        (&["a<b", "b<c", "c<a", "d<a"], &["these tasks wait for each other: a → b → c → a"]),
        (
            &["x<a", "a<b", "b<c,a", "c<b", "y<z", "z<y"],
            &["these tasks wait for each other: a → b → a", "these tasks wait for each other: y → z → y"],
        ),
        (&["a<a"], &["the task \"a\" depends on itself"]),
        (&["a<nowhere"], &["there is no task \"nowhere\""]),
        (&["a", "b", "a", "a"], &["another task has the id \"a\" too", "another task has the id \"a\" too"]),
        (
            &["a<a,b", "b<a,c"],
            &[
                "the task \"a\" depends on itself",
                "there is no task \"c\"",
                "these tasks wait for each other: a → b → a",
            ],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(problems(lines), expected, "{lines:?}");
    }
}

#[test]
fn similar_names_are_offered() {
    let mut spec = parsed(&["build", "test<biuld"]);
    spec.locks.insert("database".into(), 1);
    spec.tasks[1].locks = vec!["databse".into(), "gpu".into()];
    let found = plan(Arc::new(spec)).expect_err("refused");
    let hints: Vec<String> = found.iter().filter_map(PlanProblem::hint).collect();
    assert_eq!(
        hints,
        [
            "did you mean `database`?",
            "declare it at the top level: `locks: {gpu: 1}`",
            "did you mean `build`?"
        ]
    );
}

#[test]
fn partitions_overlap_as_their_paths_do() {
    let overlapping = [
        ("src", "src"),
        ("src", "src/a/b"),
        (".", "x/y"),
        ("src/*.ts", "src/a.ts"),
        ("src/a*", "src/abc/d"),
        ("src/a*", "src/a"),
        ("**/*.rs", "docs"),
        ("src/?", "src/*"),
        ("src/api/*", "src"),
        ("a*", "ab/c"),
        ("src/*", "src"),
    ];
    let apart = [
        ("src", "srcs"),
        ("src/a", "src/b"),
        ("src/a*", "src/b*"),
        ("app/[slug]", "app/[id]"),
        ("src/a", "src/a.ts"),
        ("a-b", "a/b"),
        ("a*", "b"),
        ("Src", "src"),
    ];
    for (a, b) in overlapping {
        for (a, b) in [(a, b), (b, a)] {
            let lines = [format!("a:{a}"), format!("b:{b}")];
            let found = problems(&[&lines[0], &lines[1]]);
            assert_eq!(found.len(), 1, "{a} {b}");
            assert!(found[0].contains("overlaps"), "{found:?}");
            let ordered = [format!("a:{a}"), format!("b<a:{b}")];
            assert!(planned(&[&ordered[0], &ordered[1]]).task(TaskIx(0)).overlaps.is_empty());
        }
    }
    for (a, b) in apart {
        let lines = [format!("a:{a}"), format!("b:{b}")];
        assert!(planned(&[&lines[0], &lines[1]]).task(TaskIx(0)).overlaps.is_empty(), "{a} {b}");
    }
}

#[test]
fn tasks_around_a_circle_are_still_compared_where_their_phase_is_known() {
    let found = problems(&["a<b", "b<a", "c:src", "d:src/x", "e<a:src"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("wait for each other") && found[1].contains("overlaps with \"src\" of task \"c\""),
        "{found:?}"
    );
}

#[test]
fn an_error_in_one_task_hides_no_problem_between_the_others() {
    let text = "name: n\nversion: 1\ntasks:\n- {id: a, prompt: p, timeout: soon, depends_on: [b]}\n- {id: b, prompt: 5, depends_on: [a]}\n- 7\n- {id: c, prompt: p, files: [x, 1]}\n- {prompt: p, files: [x/y]}\n- {id: d, prompt: p, depends_on: [q]}\n";
    let all: Vec<String> = check(text).problems.iter().map(ToString::to_string).collect();
    for wanted in [
        "tasks[0].timeout",
        "wait for each other: a → b → a",
        "tasks[1].prompt",
        "tasks[2]: must be a mapping",
        "tasks[3].files[1]",
        "tasks[4].id: is required",
        "tasks[5].depends_on[0]: there is no task \"q\"",
    ] {
        assert!(all.iter().any(|problem| problem.contains(wanted)), "{wanted}\n{}", all.join("\n"));
    }
}

/// Deep graphs must not recurse, and one shared path must not cost every pair.
#[test]
fn a_chain_of_ten_thousand_tasks_on_one_path_is_planned() {
    let name = |i: usize| format!("t{i}");
    let chain = |close: bool| -> Vec<_> {
        (0..10_000)
            .map(|i| {
                let before = if i > 0 { Some(name(i - 1)) } else { close.then(|| name(9_999)) };
                (name(i), before.into_iter().collect(), vec!["src".to_owned(), format!("src/{i}")])
            })
            .collect()
    };
    let good = plan(Arc::new(spec(&chain(false)))).expect("ordered");
    assert_eq!((good.phases(), good.task(TaskIx(0)).remaining), (10_000, 10_000));
    assert!(good.indices().all(|ix| good.task(ix).overlaps.is_empty()));
    let found = plan(Arc::new(spec(&chain(true)))).expect_err("a circle");
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("… 9981 more …"), "{}", found[0]);
}

#[test]
fn fifty_thousand_tasks_are_within_the_limits() {
    let tasks: String = (0..50_000)
        .map(|i| format!("- {{id: t{i}, prompt: p, files: [src/{i}], depends_on: [t{}]}}\n", i / 2))
        .collect();
    let text = format!("name: n\nversion: 1\ntasks:\n{}", tasks.replacen(", depends_on: [t0]", "", 1));
    let checked = check(&text);
    assert_eq!(checked.problems, []);
    assert_eq!(checked.plan.map(|plan| (plan.len(), plan.phases())), Some((50_000, 17)));
}

/// Whether one path covers the other, by definition.
fn paths_overlap(a: &str, b: &str) -> bool {
    let literal = |path: &str| match path.find(['*', '?']) {
        Some(at) => (path[..at].to_owned(), true),
        None if path == "." => (String::new(), true),
        None => (path.to_owned(), false),
    };
    let covers = |outer: &(String, bool), inner: &(String, bool)| match inner.0.strip_prefix(&outer.0) {
        Some(rest) => outer.1 || rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    let (a, b) = (literal(a), literal(b));
    covers(&a, &b) || covers(&b, &a)
}

fn any_tasks() -> impl Strategy<Value = Vec<(String, Vec<String>, Vec<String>)>> {
    let path = prop::sample::select(vec![
        "a", "a/b", "a/b/c", "a-b", "a/*", "a/b*", "b", "b/c", "b/?", "c", "ab", "d/e/f", "d/e", ".",
    ]);
    let paths = prop::collection::vec(path, 0..3);
    let task = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), paths);
    prop::collection::vec(task, 1..14).prop_map(|tasks| {
        let of = |(i, (on, paths)): (usize, (Vec<prop::sample::Index>, Vec<&str>))| {
            let on = if i == 0 { vec![] } else { on.iter().map(|d| format!("t{}", d.index(i))).collect() };
            (format!("t{i}"), on, paths.into_iter().map(str::to_owned).collect())
        };
        tasks.into_iter().enumerate().map(of).collect()
    })
}

/// Phases, reachability and overlapping pairs, computed without any cleverness.
struct Naive {
    phase: Vec<u32>,
    same_phase: Vec<(usize, usize)>,
    unordered: Vec<(usize, usize)>,
}

fn naive(tasks: &[(String, Vec<String>, Vec<String>)]) -> Naive {
    let size = tasks.len();
    let mut reaches = vec![vec![false; size]; size];
    let mut phase = vec![1; size];
    for (i, (_, on, _)) in tasks.iter().enumerate() {
        for before in on.iter().map(|id| id[1..].parse::<usize>().expect("a number")) {
            phase[i] = phase[i].max(phase[before] + 1);
            let row = reaches[before].clone();
            reaches[i][before] = true;
            row.iter().enumerate().filter(|(_, r)| **r).for_each(|(far, _)| reaches[i][far] = true);
        }
    }
    let (mut same_phase, mut unordered) = (vec![], vec![]);
    for b in 0..size {
        for a in 0..b {
            let meet = tasks[a].2.iter().any(|x| tasks[b].2.iter().any(|y| paths_overlap(x, y)));
            if meet && phase[a] == phase[b] {
                same_phase.push((a, b));
            } else if meet && !reaches[b][a] {
                unordered.push((a, b));
            }
        }
    }
    Naive { phase, same_phase, unordered }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn overlaps_are_those_of_comparing_every_pair(tasks in any_tasks()) {
        let naive = naive(&tasks);
        match plan(Arc::new(spec(&tasks))) {
            Ok(plan) => {
                prop_assert_eq!(&naive.same_phase, &[]);
                let phases: Vec<u32> = plan.indices().map(|ix| plan.task(ix).phase).collect();
                prop_assert_eq!(&phases, &naive.phase);
                for ix in plan.indices() {
                    let me = ix.index();
                    let mut wanted: Vec<usize> = naive.unordered.iter().filter_map(|&(a, b)| match (a == me, b == me) {
                        (true, _) => Some(b),
                        (_, true) => Some(a),
                        _ => None,
                    }).collect();
                    wanted.sort_unstable();
                    let found: Vec<usize> = plan.task(ix).overlaps.iter().map(|other| other.index()).collect();
                    prop_assert_eq!(found, wanted, "{}", me);
                }
            }
            Err(found) => {
                prop_assert!(!naive.same_phase.is_empty());
                // Enough pairs to name every later task that is in one, and only true ones.
                for &(_, b) in &naive.same_phase {
                    let named = found.iter().any(|p| p.is_error() && (p.task().index() == b || naive.same_phase.iter().any(|&(a, later)| later == p.task().index() && a == b)));
                    prop_assert!(named, "{} {:?}", b, found);
                }
                for problem in found.iter().filter(|problem| problem.is_error()) {
                    let b = problem.task().index();
                    prop_assert!(naive.same_phase.iter().any(|&(_, later)| later == b), "{problem}");
                }
            }
        }
    }
}
