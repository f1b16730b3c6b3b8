//! Keeping the beginning and the end of an output in bounded memory.

use std::collections::VecDeque;

/// The first and the last bytes of a stream of any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    max_head: usize,
    max_tail: usize,
    total: u64,
}

impl Tail {
    /// Keeps at most `max_head` bytes of the beginning and `max_tail` bytes of the end. Memory is taken only as
    /// bytes come.
    pub fn new(max_head: usize, max_tail: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), max_head, max_tail, total: 0 }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(self.max_head - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.max_tail)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(self.max_tail);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    /// How many bytes came.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes of the middle were left out.
    pub fn omitted(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// What is kept as text. Bytes that are no UTF-8 become U+FFFD; where the middle is missing, a line says how much.
    pub fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.omitted() == 0 {
            let whole = [self.head.as_slice(), &tail].concat();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let (head, tail) = (whole_characters_before(&self.head), whole_characters_after(&tail));
        let omitted = self.total - (head.len() + tail.len()) as u64;
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        let newline = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
        format!("{head}{newline}[... {omitted} bytes left out ...]\n{tail}")
    }
}

/// Without a character that was cut at the end.
fn whole_characters_before(bytes: &[u8]) -> &[u8] {
    let continues = bytes.iter().rev().take(3).take_while(|&&byte| byte & 0xc0 == 0x80).count();
    let Some(start) = bytes.len().checked_sub(continues + 1) else { return bytes };
    let length = match bytes[start] {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    if length > continues + 1 { &bytes[..start] } else { bytes }
}

/// Without a character that was cut at the beginning: at most three bytes continue one.
fn whole_characters_after(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take(3).take_while(|&&byte| byte & 0xc0 == 0x80).count();
    &bytes[cut..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(max_head: usize, max_tail: usize, pieces: &[&str]) -> Tail {
        let mut tail = Tail::new(max_head, max_tail);
        pieces.iter().for_each(|piece| tail.push(piece.as_bytes()));
        tail
    }

    #[test]
    fn head_and_tail_are_kept_however_the_text_is_cut_into_pieces() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        for size in 1..=text.len() {
            let pieces: Vec<&str> =
                text.as_bytes().chunks(size).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
            assert_eq!(
                kept(3, 4, &pieces).text(),
                "abc\n[... 19 bytes left out ...]\nwxyz",
                "pieces of {size}"
            );
            assert_eq!(kept(13, 13, &pieces).text(), text);
            assert_eq!(kept(0, 30, &pieces).text(), text);
            assert_eq!(kept(30, 0, &pieces).text(), text);
            let none = kept(0, 0, &pieces);
            assert_eq!((none.total(), none.omitted()), (26, 26));
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let text = "äöü€𝄞ß".repeat(40);
        for max_head in 0..12 {
            for max_tail in 0..12 {
                let shown = kept(max_head, max_tail, &[&text]).text();
                assert!(!shown.contains('\u{fffd}'), "{max_head} {max_tail}: {shown}");
            }
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let mut tail = Tail::new(1000, 1000);
        (0..1000).for_each(|_| tail.push(&[b'x'; 65536]));
        assert!(tail.tail.capacity() <= 4096 && tail.head.capacity() <= 4096);
        assert_eq!(tail.omitted(), 65_536_000 - 2000);
    }
}
