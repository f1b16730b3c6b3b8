//! The part of a terminal that is redrawn: the lines of a board, below everything that was printed.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Lines at the bottom of the terminal. Each is cut to its width.
pub(crate) struct Live {
    area: MultiProgress,
    rows: Vec<ProgressBar>,
    style: ProgressStyle,
    home: Box<dyn Fn()>,
}

impl Live {
    /// An empty area on this target; a hidden target draws nothing. `home` moves the terminal's cursor to the
    /// start of its line.
    pub(crate) fn new(target: ProgressDrawTarget, home: impl Fn() + 'static) -> Self {
        let style =
            ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { area: MultiProgress::with_draw_target(target), rows: Vec::new(), style, home: Box::new(home) }
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
        self.stay_in_line();
    }

    /// What is drawn ends at the right margin. Whatever the terminal echoes there, `^C` above all, would begin
    /// another line, of which nothing is known when the area is taken away: one of its lines would stay.
    fn stay_in_line(&self) {
        if !self.rows.is_empty() {
            (self.home)();
        }
    }

    /// Does something that prints, with the area out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        let printed = self.area.suspend(print);
        self.stay_in_line();
        printed
    }

    /// Takes the area away for good.
    pub(crate) fn clear(&mut self) {
        self.show(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike as _};

    use super::*;

    #[test]
    fn only_the_last_lines_are_on_the_screen_cut_to_its_width() {
        let term = InMemoryTerm::new(10, 20);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        let mut live = Live::new(target, || ());
        live.show(vec!["one".into(), "two".into(), "a line that is much too long".into()]);
        live.aside(|| ());
        assert_eq!(term.contents(), "one\ntwo\na line that is much");
        live.show(vec!["three".into()]);
        live.aside(|| ());
        assert_eq!(term.contents(), "three");
        live.clear();
        assert_eq!(term.contents(), "");
    }

    #[test]
    fn what_the_terminal_echoes_leaves_no_line_of_the_area_behind() {
        let term = InMemoryTerm::new(10, 20);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        let (screen, printer) = (term.clone(), term.clone());
        let mut live = Live::new(target, move || screen.write_str("\r").expect("written"));
        live.show(vec!["one".into(), "two".into()]);
        for note in ["Ctrl-C: ending", "more"] {
            term.write_str("^C").expect("echoed");
            live.aside(|| printer.write_line(note).expect("written"));
        }
        assert_eq!(term.contents(), "Ctrl-C: ending\nmore\none\ntwo");
        term.write_str("^C").expect("echoed");
        live.clear();
        assert_eq!(term.contents(), "Ctrl-C: ending\nmore");
    }
}
