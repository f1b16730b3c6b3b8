//! Cuts a stream into lines in bounded memory.

/// The longest line that is looked at. Longer ones are images or files that a tool returned.
pub(super) const LONGEST_LINE: usize = 2 * 1024 * 1024;

/// Cuts a stream that arrives in chunks into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    part: Vec<u8>,
    skipping: bool,
    skipped: u64,
}

impl Lines {
    /// Takes a chunk and hands every line that ends in it to `each`, without its line break.
    pub(super) fn push(&mut self, mut chunk: &[u8], each: &mut dyn FnMut(&[u8])) {
        while let Some(at) = chunk.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = (&chunk[..at], &chunk[at + 1..]);
            chunk = tail;
            if self.part.is_empty() && !self.skipping {
                each(without_return(head));
                continue;
            }
            self.keep(head);
            self.end(each);
        }
        self.keep(chunk);
    }

    /// Hands on the last line, which has no line break.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !self.part.is_empty() || self.skipping {
            self.end(each);
        }
    }

    /// How many lines were too long to be looked at.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.part.len() + bytes.len() > LONGEST_LINE {
            self.skipping = true;
            self.skipped += 1;
            self.part = Vec::new();
        } else {
            self.part.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !std::mem::take(&mut self.skipping) {
            each(without_return(&self.part));
            self.part.clear();
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, &mut |line| got.push(line.to_vec()));
        }
        lines.finish(&mut |line| got.push(line.to_vec()));
        (got, lines.skipped())
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let text = b"one\r\n\ntwo\nthree";
        let wanted: Vec<Vec<u8>> = [&b"one"[..], b"", b"two", b"three"].map(<[u8]>::to_vec).into();
        for size in 1..=text.len() {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(lines(&chunks), (wanted.clone(), 0), "chunks of {size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_counted() {
        let long = vec![b'x'; 700_000];
        let (got, skipped) =
            lines(&[b"a\n", &long, &long, &long, &long, b"\nb\n", &long, &long, &long, &long]);
        assert_eq!((got, skipped), (vec![b"a".to_vec(), b"b".to_vec()], 2));
    }
}
