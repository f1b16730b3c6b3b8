//! A file of lines that is appended to by several processes and mended after a crash.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ExportError;

/// Read at once, from the end backwards.
const CHUNK: u64 = 64 * 1024;

/// More than any line of ours.
const LONGEST: usize = 8 * 1024 * 1024;

/// The file, open, and nobody else's until it is dropped.
pub(super) struct Lines {
    file: File,
    path: PathBuf,
    len: u64,
}

/// What was found at the end of the file.
pub(super) struct Mended<T> {
    /// What was looked for, from the last line that has it.
    pub(super) found: Option<T>,
    /// Bytes of torn lines that were cut off.
    pub(super) cut: u64,
}

impl Lines {
    /// Opens the file, or makes it (mode 0600, its folder 0700), and waits until it is free.
    pub(super) fn open(path: PathBuf) -> Result<Self, ExportError> {
        let failed = |source| ExportError::File { doing: "open", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        loop {
            let file = options.open(&path).map_err(failed)?;
            file.lock().map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            // Whoever held it may have written a new one in its place.
            if std::fs::metadata(&path).is_ok_and(|now| (now.dev(), now.ino()) == (about.dev(), about.ino()))
            {
                return Ok(Self { file, path, len: about.len() });
            }
        }
    }

    /// Writes the file anew without the lines that are not kept, so that a reader sees the old or the new one, never a part.
    /// How many lines are gone.
    pub(super) fn retain(self, keep: impl Fn(&[u8]) -> bool) -> Result<u64, ExportError> {
        let new = self.path.with_added_extension("new");
        self.write_kept(&new, keep).map_err(|source| {
            // What is left of it is replaced by the next try.
            let _ = std::fs::remove_file(&new);
            self.failed("shorten", source)
        })
    }

    fn write_kept(&self, new: &Path, keep: impl Fn(&[u8]) -> bool) -> io::Result<u64> {
        (&self.file).seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        // Only the holder of the lock makes it; what is there was left by a crash.
        match std::fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        let (mut writer, mut line, mut gone) = (io::BufWriter::new(file), Vec::new(), 0);
        while reader.read_until(b'\n', &mut line)? > 0 {
            if keep(&line) {
                writer.write_all(&line)?;
            } else {
                gone += 1;
            }
            line.clear();
        }
        if gone == 0 {
            std::fs::remove_file(new)?;
            return Ok(0);
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(new, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        Ok(gone)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts lines off the end that a crash tore, and gives what `pick` finds in the last line that has
    /// it. Lines of other JSON are kept. Afterwards the file ends with a line end, or is empty.
    pub(super) fn mend<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> Result<Mended<T>, ExportError> {
        let before = self.len;
        let mut end = self.len;
        let mut whole = false;
        let mut complete = true;
        let mut tail = Tail { start: end, bytes: Vec::new() };
        let mut found = None;
        while end > 0 && found.is_none() {
            let line = tail.last_line(self)?;
            let start = tail.end();
            // What does not parse is cut off with the lines behind it; before a whole line it is not ours to
            // judge.
            if let Ok(value) = serde_json::from_slice::<Value>(&line) {
                if !whole {
                    (whole, complete) = (true, line.ends_with(b"\n"));
                    self.cut(end)?;
                }
                found = pick(&value);
            }
            end = start;
        }
        if !whole {
            self.cut(0)?;
        }
        let cut = before - self.len;
        if !complete {
            self.append(b"\n")?;
        }
        Ok(Mended { found, cut })
    }

    fn cut(&mut self, len: u64) -> Result<(), ExportError> {
        if len < self.len {
            self.file.set_len(len).map_err(|source| self.failed("shorten", source))?;
            self.len = len;
        }
        Ok(())
    }

    /// Writes whole lines behind the last one.
    pub(super) fn append(&mut self, text: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(text).map_err(|source| self.failed("write to", source))?;
        self.len += text.len() as u64;
        Ok(())
    }

    /// Whether a line holds this text and fulfils this condition.
    pub(super) fn any(&mut self, text: &str, is: impl Fn(&Value) -> bool) -> Result<bool, ExportError> {
        let found = find(&self.file, text, is);
        found.map_err(|source| self.failed("read", source))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> ExportError {
        ExportError::File { doing, path: self.path.clone(), source }
    }
}

fn find(mut file: &File, text: &str, is: impl Fn(&Value) -> bool) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let holds = line.windows(text.len()).any(|part| part == text.as_bytes());
        if holds && serde_json::from_slice(&line).is_ok_and(|value| is(&value)) {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

/// The part of the file that is read but not looked at yet; it begins at `start`.
struct Tail {
    start: u64,
    bytes: Vec<u8>,
}

impl Tail {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Takes the last line off, with its line end where it has one. The tail must not be at the start
    /// of the file.
    fn last_line(&mut self, lines: &mut Lines) -> Result<Vec<u8>, ExportError> {
        // At the end of what is read: bytes that do not end the line before. The last byte of a line may
        // be its own line end.
        let mut known = self.bytes.len().min(1);
        loop {
            let unknown = &self.bytes[..self.bytes.len() - known];
            if let Some(at) = unknown.iter().rposition(|byte| *byte == b'\n') {
                return Ok(self.bytes.split_off(at + 1));
            }
            if self.start == 0 {
                return Ok(std::mem::take(&mut self.bytes));
            }
            if self.bytes.len() >= LONGEST {
                return Err(ExportError::NoLines { path: lines.path.clone() });
            }
            known = self.bytes.len().max(1);
            self.read_on(&mut lines.file).map_err(|source| lines.failed("read", source))?;
        }
    }

    fn read_on(&mut self, file: &mut File) -> io::Result<()> {
        // A long line is read in growing steps, so that it is copied only a few times.
        let size = CHUNK.max(self.bytes.len() as u64).min(self.start);
        self.start -= size;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What becomes of a file with this content, and the number in its last line that has one.
    fn mended(content: &[u8]) -> Result<(Vec<u8>, Option<u64>, u64), ExportError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b.ndjson");
        fs::create_dir(folder.path().join("a")).expect("is made");
        fs::write(&path, content).expect("writes");
        let mended = Lines::open(path.clone())?.mend(|line| line.get("n").and_then(Value::as_u64))?;
        Ok((fs::read(path).expect("reads"), mended.found, mended.cut))
    }

    #[test]
    fn a_torn_end_is_cut_and_whole_lines_stay() {
        let cases: [(&str, &str, Option<u64>); 11] = [
            ("", "", None),
            ("{\"n\":1}\n", "{\"n\":1}\n", Some(1)),
            ("{\"n\":1}\n{\"n\":2}\n", "{\"n\":1}\n{\"n\":2}\n", Some(2)),
            ("{\"n\":1}\n{\"n\":2", "{\"n\":1}\n", Some(1)),
            // Only the line end is torn off.
            ("{\"n\":1}\n{\"n\":2}", "{\"n\":1}\n{\"n\":2}\n", Some(2)),
            ("{\"n\":1", "", None),
            ("{\"n\":1}\n\0\0\0\n\0\0", "{\"n\":1}\n", Some(1)),
            ("{\"n\":1}\n\n\n", "{\"n\":1}\n", Some(1)),
            ("{\"n\":1}\n{\"m\":2}\n", "{\"n\":1}\n{\"m\":2}\n", Some(1)),
            ("{\"n\":1}\nnonsense\n{\"m\":2}\n", "{\"n\":1}\nnonsense\n{\"m\":2}\n", Some(1)),
            ("{\"m\":2}\n", "{\"m\":2}\n", None),
        ];
        for (before, after, found) in cases {
            let (content, number, cut) = mended(before.as_bytes()).expect("mends");
            assert_eq!(String::from_utf8(content).expect("text"), after, "{before:?}");
            let kept = before.len() - usize::try_from(cut).expect("small");
            assert_eq!((number, &before[..kept]), (found, &after[..kept]), "{before:?}");
        }
    }

    #[test]
    fn lines_longer_than_what_is_read_at_once_are_found() {
        for size in [65_530, 65_536, 200_000, 1_000_000] {
            let long = format!("{{\"n\":7,\"x\":\"{}\"}}\n", "y".repeat(size));
            let (content, found, _) = mended(format!("{{\"n\":1}}\n{long}").as_bytes()).expect("mends");
            assert_eq!((content.len(), found), (8 + long.len(), Some(7)));
            let (content, found, _) = mended(format!("{long}{{\"n\":").as_bytes()).expect("mends");
            assert_eq!((content.len(), found), (long.len(), Some(7)));
        }
    }

    #[test]
    fn a_file_without_lines_is_left_as_it_is() {
        let refused = mended(&vec![b'x'; LONGEST + 200_000]);
        assert!(matches!(refused, Err(ExportError::NoLines { .. })));
    }
}
