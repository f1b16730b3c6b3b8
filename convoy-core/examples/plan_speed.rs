//! How long a large convoy file takes from text to plan, beside the time of merely reading it as
//! untyped YAML: `cargo run --release -p convoy-core --example plan_speed [TASKS] [PATHS]`.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "an example prints and measures")]

use std::fmt::Write;
use std::time::{Duration, Instant};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let tasks = numbers.next().unwrap_or(5_000);
    let paths = numbers.next().unwrap_or(20);
    let text = file(tasks, paths);
    let checked = convoy_core::plan::check(&text);
    println!(
        "{tasks} tasks of {paths} paths, {:.1} MB, {} problems",
        text.len() as f64 / 1e6,
        checked.problems.len()
    );
    println!(
        "plan: {} tasks in {} phases",
        checked.plan.as_ref().map_or(0, |p| p.len()),
        checked.plan.as_ref().map_or(0, |p| p.phases())
    );
    let ours = median(|| drop(convoy_core::plan::check(&text)));
    let read = median(|| drop(serde_yaml::from_str_with_options::<serde_json::Value>(&text, unbounded())));
    println!(
        "check and plan: {:.0} ms; untyped YAML alone: {:.0} ms; ratio {:.2}",
        millis(ours),
        millis(read),
        millis(ours) / millis(read)
    );
}

/// Every task depends on one of ten before it and has paths of its own.
fn file(tasks: usize, paths: usize) -> String {
    let mut text = String::from("name: large\nversion: 1\ntasks:\n");
    for i in 0..tasks {
        let _ = write!(
            text,
            "  - id: task-{i}\n    prompt: Change the module number {i} so that it works.\n    files:\n"
        );
        for path in 0..paths {
            let _ = writeln!(text, "      - src/module{}/part{i}/file{path}.rs", i % 97);
        }
        if i > 10 {
            let _ = writeln!(text, "    depends_on: [task-{}]", i - 1 - i % 10);
        }
    }
    text
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn unbounded() -> serde_yaml::Options {
    let mut options = serde_yaml::Options::default();
    options.budget = None;
    options
}
