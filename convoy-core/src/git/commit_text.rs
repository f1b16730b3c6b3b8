//! Commits as they are stored, read as they arrive.

use super::added::Added;

/// Longest line that names a tree or a parent, in bytes.
const ID_LINE: usize = 80;

/// Reads what `git cat-file --batch` says of commits: a line with id, kind and size, that many bytes, a line end.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Each commit and its first parent.
    pub(super) found: Vec<(String, Option<String>)>,
    /// A line that is of no commit; nothing after it was read.
    pub(super) broken: Option<String>,
    at: At,
    /// Bytes of the commit that are still to come.
    left: u64,
    /// The start of a line, as far as it is not told.
    line: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Within the line in front of a commit.
    #[default]
    Front,
    /// Within one of the headers in front, which name its tree and its parents.
    Id,
    /// Within a header behind those: git looks for neither there, whatever it says.
    Header,
    /// Within a header that is too long for that.
    LongHeader,
    /// Within its message.
    Message,
    /// In front of the line end behind it.
    End,
}

impl Commits {
    pub(super) fn push(&mut self, mut chunk: &[u8], each: &mut (dyn FnMut(Added<'_>) + Send)) {
        while !chunk.is_empty() && self.broken.is_none() {
            let taken = match self.at {
                At::Front => self.front(chunk, each),
                At::End => {
                    self.at = At::Front;
                    1
                }
                At::Id | At::Header | At::LongHeader | At::Message => {
                    let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                    let taken = self.content(&chunk[..chunk.len().min(left)], each);
                    self.left -= taken as u64;
                    if self.left == 0 {
                        self.at = At::End;
                        let line = std::mem::take(&mut self.line);
                        if !line.is_empty() {
                            each(Added::Text(&line));
                        }
                    }
                    taken
                }
            };
            chunk = &chunk[taken..];
        }
    }

    /// The line in front of a commit. Returns how much of the chunk it took, as those below.
    fn front(&mut self, chunk: &[u8], each: &mut (dyn FnMut(Added<'_>) + Send)) -> usize {
        let (part, whole) = line_of(chunk);
        self.line.extend_from_slice(part);
        if whole {
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            match line.trim_end().split_once(" commit ").map(|(id, size)| (id, size.parse::<u64>())) {
                Some((id, Ok(size))) if size > 0 => {
                    each(Added::Header(id));
                    self.found.push((id.to_owned(), None));
                    (self.left, self.at) = (size, At::Id);
                }
                _ => self.broken = Some(line),
            }
        }
        part.len()
    }

    fn content(&mut self, part: &[u8], each: &mut (dyn FnMut(Added<'_>) + Send)) -> usize {
        if self.at == At::Message {
            each(Added::Text(part));
            return part.len();
        }
        let (part, whole) = line_of(part);
        if self.at == At::LongHeader {
            each(Added::Text(part));
            self.at = if whole { At::Header } else { At::LongHeader };
            return part.len();
        }
        self.line.extend_from_slice(part);
        if whole {
            self.header(each);
        } else if self.line.len() > ID_LINE {
            each(Added::Text(&std::mem::take(&mut self.line)));
            self.at = At::LongHeader;
        }
        part.len()
    }

    /// A whole line of headers.
    fn header(&mut self, each: &mut (dyn FnMut(Added<'_>) + Send)) {
        let line = std::mem::take(&mut self.line);
        let Some((id, parent)) = self.found.last_mut() else { return };
        let in_front = self.at == At::Id;
        if line == b"\n" {
            each(Added::Message(id));
            self.at = At::Message;
        } else if let Some(named) = id_in(&line, "parent ").filter(|_| in_front) {
            parent.get_or_insert(named);
            each(Added::Text(b"\n"));
        } else if in_front && id_in(&line, "tree ").is_some() {
            each(Added::Text(b"\n"));
        } else {
            each(Added::Text(&line));
            self.at = At::Header;
        }
    }
}

/// The start of a chunk up to its first line end, and whether there is one.
fn line_of(chunk: &[u8]) -> (&[u8], bool) {
    match chunk.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&chunk[..=end], true),
        None => (chunk, false),
    }
}

/// The id in a header that holds nothing else.
fn id_in(line: &[u8], header: &str) -> Option<String> {
    let id = std::str::from_utf8(line).ok()?.strip_prefix(header)?.strip_suffix('\n')?;
    let is_id = [40, 64].contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_read_alike_however_they_are_cut() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let long = "x".repeat(200);
        let first =
            format!("tree {one}\nparent {two}\nparent {one}\nauthor a\nnote {long}\n more\n\nsay\n\nit\0\n");
        // git takes what stands behind another header for no parent.
        let forged = format!("tree {one}\nauthor d\nparent {two}\ntree {two}\n\nd");
        let commits = [first.as_str(), "tree short\nauthor b\n\n", "author c", &forged];
        let text: String = commits
            .iter()
            .zip(1..)
            .map(|(text, n)| format!("c{n} commit {}\n{text}\n", text.len()))
            .collect();
        for size in 1..text.len() {
            let (mut commits, mut all) = (Commits::default(), String::new());
            let mut each = |piece: Added<'_>| match piece {
                Added::Text(text) => all.push_str(&String::from_utf8_lossy(text)),
                Added::Header(id) => all.push_str(&format!("[{id}]")),
                Added::Message(id) => all.push_str(&format!("[message of {id}]")),
                other => panic!("{other:?}"),
            };
            text.as_bytes().chunks(size).for_each(|chunk| commits.push(chunk, &mut each));
            let wanted = format!(
                "[c1]\n\n\nauthor a\nnote {long}\n more\n[message of c1]say\n\nit\0\n\
                 [c2]tree short\nauthor b\n[message of c2][c3]author c\
                 [c4]\nauthor d\nparent {two}\ntree {two}\n[message of c4]d"
            );
            assert_eq!(commits.found[3], ("c4".to_owned(), None), "{size}");
            assert_eq!(all, wanted, "{size}");
            assert_eq!(commits.found[0], ("c1".to_owned(), Some(two.clone())), "{size}");
            assert_eq!(
                (commits.found.len(), &commits.found[2].1, commits.broken),
                (4, &None, None),
                "{size}"
            );
        }
        let mut commits = Commits::default();
        commits.push(b"c1 missing\nc2 commit 1\na\n", &mut |piece| panic!("{piece:?}"));
        assert_eq!(commits.broken.as_deref(), Some("c1 missing\n"));
    }
}
