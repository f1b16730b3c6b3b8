//! The part of a terminal that is redrawn: the lines of a board, below everything that was printed.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Lines at the bottom of the terminal. Each is cut to its width.
pub(crate) struct Live {
    area: MultiProgress,
    rows: Vec<ProgressBar>,
    style: ProgressStyle,
}

impl Live {
    /// An empty area on this target; a hidden target draws nothing.
    pub(crate) fn new(target: ProgressDrawTarget) -> Self {
        let style =
            ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { area: MultiProgress::with_draw_target(target), rows: Vec::new(), style }
    }

    /// Shows these lines instead of the earlier ones.
    pub(crate) fn show(&mut self, lines: Vec<String>) {
        for row in self.rows.drain(lines.len().min(self.rows.len())..) {
            row.finish_and_clear();
            self.area.remove(&row);
        }
        while self.rows.len() < lines.len() {
            let row = self.area.add(ProgressBar::new_spinner());
            row.set_style(self.style.clone());
            self.rows.push(row);
        }
        for (row, line) in self.rows.iter().zip(lines) {
            row.set_message(line);
        }
    }

    /// Does something that prints, with the area out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.area.suspend(print)
    }

    /// Takes the area away for good.
    pub(crate) fn clear(&mut self) {
        self.show(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;

    #[test]
    fn only_the_last_lines_are_on_the_screen_cut_to_its_width() {
        let term = InMemoryTerm::new(10, 20);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        let mut live = Live::new(target);
        live.show(vec!["one".into(), "two".into(), "a line that is much too long".into()]);
        live.aside(|| ());
        assert_eq!(term.contents(), "one\ntwo\na line that is much");
        live.show(vec!["three".into()]);
        live.aside(|| ());
        assert_eq!(term.contents(), "three");
        live.clear();
        assert_eq!(term.contents(), "");
    }
}
