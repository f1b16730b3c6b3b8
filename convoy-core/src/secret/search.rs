//! Where any of many literals stands in a text: they are looked for in small groups, because the vector
//! instructions that do it tell a few short literals apart far faster than an automaton reads bytes.

use aho_corasick::{AhoCorasick, Input, MatchKind, Span, packed};

/// Literals that are looked for together.
const GROUP: usize = 48;
/// Bytes that all groups look at before the next: few enough to stay in the nearest cache.
const BLOCK: usize = 8 * 1024;
/// Bytes of a literal that the instructions look at.
const LOOKED_AT: usize = 4;

/// Finds every place where one of the literals stands; the longest where several start.
#[derive(Debug)]
pub(super) struct Search {
    groups: Vec<Group>,
    /// Bytes of the longest literal.
    longest: usize,
}

#[derive(Debug)]
struct Group {
    finder: Finder,
    /// Which of the caller's literals each of the finder's is.
    literals: Vec<usize>,
}

#[derive(Debug)]
enum Finder {
    Packed(packed::Searcher),
    /// On machines without such instructions.
    Automaton(AhoCorasick),
}

impl Search {
    /// A search for these literals, none of them empty.
    pub(super) fn new(literals: &[String]) -> Self {
        let mut order: Vec<usize> = (0..literals.len()).collect();
        // A group looks at as many bytes as its shortest has, and tells those apart best that begin alike.
        order.sort_by_key(|index| (literals[*index].len().min(LOOKED_AT), &literals[*index]));
        let same =
            |a: &usize, b: &usize| literals[*a].len().min(LOOKED_AT) == literals[*b].len().min(LOOKED_AT);
        let groups = order.chunk_by(same).flat_map(|alike| alike.chunks(GROUP)).map(|group| Group {
            finder: Finder::new(group.iter().map(|index| literals[*index].as_str())),
            literals: group.to_vec(),
        });
        Self { groups: groups.collect(), longest: literals.iter().map(String::len).max().unwrap_or(0) }
    }

    /// Hands every place in the range to `found`, with the number of the literal, group by group. A place
    /// counts when all of the literal lies in the range.
    pub(super) fn each(&self, text: &[u8], from: usize, until: usize, found: &mut dyn FnMut(usize, usize)) {
        for block in (from..until).step_by(BLOCK) {
            let end = until.min(block + BLOCK);
            for group in &self.groups {
                let mut at = block;
                // One that starts in the block may end behind it.
                while let Some((start, pattern)) = group.finder.next(text, at, until.min(end + self.longest))
                {
                    if start >= end {
                        break;
                    }
                    found(start, group.literals[pattern]);
                    at = start + 1;
                }
            }
        }
    }
}

impl Finder {
    fn new<'l>(literals: impl Iterator<Item = &'l str> + Clone) -> Self {
        let kind = packed::MatchKind::LeftmostLongest;
        let packed = packed::Config::new().match_kind(kind).builder().extend(literals.clone()).build();
        packed.map_or_else(|| Self::Automaton(automaton(literals)), Self::Packed)
    }

    fn next(&self, text: &[u8], from: usize, until: usize) -> Option<(usize, usize)> {
        let found = match self {
            Self::Packed(searcher) => searcher.find_in(text, Span { start: from, end: until }),
            Self::Automaton(automaton) => automaton.find(Input::new(text).range(from..until)),
        };
        found.map(|found| (found.start(), found.pattern().as_usize()))
    }
}

fn automaton<'l>(literals: impl Iterator<Item = &'l str>) -> AhoCorasick {
    #[expect(clippy::expect_used, reason = "the literals are constants of this module, a few hundred bytes")]
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(literals).expect("few short literals")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_across_the_end_of_a_block_is_found_once() {
        let search = Search::new(&["needle".to_owned(), "other".to_owned()]);
        for start in BLOCK - 8..BLOCK + 2 {
            let text = format!("{}needle{}", ".".repeat(start), ".".repeat(BLOCK));
            let mut found = Vec::new();
            search.each(text.as_bytes(), 0, text.len(), &mut |at, literal| found.push((at, literal)));
            assert_eq!(found, [(start, 0)]);
        }
    }

    #[test]
    fn every_place_is_found_by_either_means_and_the_longest_literal_wins() {
        let literals: Vec<String> =
            ["ab", "abc", "bcd", "abcdef", "zz", "zzz"].iter().map(|literal| (*literal).to_owned()).collect();
        let text = b"abcd abcdef zzzz ab";
        let mut expected = Vec::new();
        for at in 0..text.len() {
            let longest =
                literals.iter().enumerate().filter(|(_, literal)| text[at..].starts_with(literal.as_bytes()));
            expected.extend(longest.max_by_key(|(_, literal)| literal.len()).map(|(index, _)| (at, index)));
        }
        let search = Search::new(&literals);
        // Literals of different lengths are in different groups; each group gives its own.
        let mut found = std::collections::BTreeMap::new();
        search.each(text, 0, text.len(), &mut |at, literal| {
            let longest = found.entry(at).or_insert(literal);
            if literals[literal].len() > literals[*longest].len() {
                *longest = literal;
            }
        });
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        let automaton = Finder::Automaton(automaton(literals.iter().map(String::as_str)));
        let packed = Finder::new(literals.iter().map(String::as_str));
        for finder in [automaton, packed] {
            let (mut at, mut all) = (0, Vec::new());
            while let Some((start, pattern)) = finder.next(text, at, text.len()) {
                all.push((start, pattern));
                at = start + 1;
            }
            assert_eq!(all, expected);
        }
    }
}
