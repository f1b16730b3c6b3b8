//! Times of two ways, and how they are shown.

use std::time::Instant;

use crate::Outcome;

/// What was measured of one thing on one size of repository: milliseconds of each round.
pub(crate) struct Row {
    what: &'static str,
    files: usize,
    pub(crate) ours: Vec<f64>,
    pub(crate) plain: Vec<f64>,
}

impl Row {
    pub(crate) fn new(what: &'static str, files: usize) -> Self {
        Self { what, files, ours: Vec::new(), plain: Vec::new() }
    }

    /// The size of the repository.
    pub(crate) fn files(&self) -> usize {
        self.files
    }

    /// Prints the medians, the fastest rounds in brackets, and how they compare.
    pub(crate) fn print(&self) {
        let (ours, plain) = (median(&self.ours), median(&self.plain));
        println!(
            "{:>6} {:>8} {:>9.2} [{:>8.2}] {:>9.2} [{:>8.2}] {:>8.3} {:>8.1}",
            self.what,
            self.files,
            ours,
            least(&self.ours),
            plain,
            least(&self.plain),
            ours / plain,
            plain / ours
        );
    }
}

/// The line above the rows.
pub(crate) fn head() {
    println!(
        "{:>6} {:>8} {:>9} {:>10} {:>9} {:>10} {:>8} {:>8}",
        "", "files", "convoy", "[least]", "plain git", "[least]", "ratio", "times"
    );
}

/// How long something takes, in milliseconds.
pub(crate) async fn timed(work: impl Future<Output = Outcome<()>>) -> Outcome<f64> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::NAN, f64::min)
}
