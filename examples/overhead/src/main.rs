//! What the engine costs beside the git commands that a script would use. See README.md.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that measures and prints"
)]

mod land;
mod lease;
mod repo;
mod table;
mod tasks;

use std::error::Error;

use convoy_core::types::Isolation;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Files of the repositories.
const SIZES: [usize; 3] = [10, 5_000, 20_000];

const USAGE: &str = "usage: convoy-overhead [--isolation=separate] [--commit] [tasks|lease|land] [ROUNDS [TASKS [FILES]]]; see its README.md";

/// How the engine's side works.
#[derive(Clone, Copy, Default)]
struct Way {
    /// What worktrees share with the repository.
    isolation: Isolation,
    /// Whether agents commit what they write.
    commits: bool,
}

impl Way {
    /// Takes the flags out of the words.
    fn of(flags: &[String]) -> Outcome<Self> {
        let mut way = Self::default();
        for flag in flags {
            match flag.as_str() {
                "--isolation=linked" => way.isolation = Isolation::Linked,
                "--isolation=separate" => way.isolation = Isolation::Separate,
                "--commit" => way.commits = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(way)
    }
}

fn main() -> Outcome<()> {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let (way, mut words) = (Way::of(&flags)?, words.into_iter().peekable());
    let what = words.next_if(|word| word.parse::<usize>().is_err());
    let (rounds, tasks, files) = (words.next(), words.next(), words.next());
    let number = |word: Option<String>| word.map(|word| word.parse::<usize>()).transpose();
    let (rounds, tasks) = (number(rounds)?, number(tasks)?.unwrap_or(20));
    let sizes = number(files)?.map_or(SIZES.to_vec(), |files| vec![files]);
    let wants = |name: &str| what.as_deref().is_none_or(|what| what == name);
    if !["tasks", "lease", "land"].into_iter().any(wants) || words.next().is_some() {
        return Err(USAGE.into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "milliseconds: the median of the rounds [the least]; ratio: convoy to plain git; times: the inverse"
    );
    table::head();
    runtime.block_on(async {
        if wants("lease") {
            let rows = lease::rows(&sizes, rounds.unwrap_or(20), way.isolation).await?;
            rows.iter().for_each(table::Row::print);
        }
        if wants("land") {
            land::rows(&sizes, rounds.unwrap_or(10)).await?.iter().for_each(table::Row::print);
        }
        if wants("tasks") {
            let rows = tasks::rows(&sizes, tasks, rounds.unwrap_or(3), way).await?;
            rows.iter().for_each(|(row, _)| row.print());
            for (row, times) in rows {
                println!("where the time of a task goes, {} files:", row.files());
                times.print();
            }
        }
        Ok(())
    })
}
