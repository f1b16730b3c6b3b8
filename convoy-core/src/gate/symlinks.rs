//! `symlinks`: links that lead out of the tree.
//!
//! Whoever follows such a link reads or writes somebody else's files. Links are followed here as the kernel
//! would, but over the links of the tree alone, so that no file system is asked and nothing that lies about
//! in a folder changes the answer.

use std::collections::HashMap;
use std::fmt;

use super::verdict::{Verdict, listed};
use crate::git::TreeLink;

const GATE: &str = "symlinks";

/// Links that are followed one after the other; the kernel gives up at 40 too.
const MOST_HOPS: usize = 40;

/// A link that leads out of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escape {
    /// Its path.
    pub path: String,
    /// Where it says that it leads.
    pub target: String,
}

impl fmt::Display for Escape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.path, self.target)
    }
}

/// The verdict on the links of a tree.
pub fn symlinks(links: &[TreeLink]) -> Verdict {
    let escapes = escaping(links);
    match escapes.is_empty() {
        true => Verdict::clean(GATE),
        false => {
            let line = "symbolic links that lead out of the repository (an absolute path, too many `..`, or into `.git`):";
            Verdict::blocks(GATE, listed(line, &escapes))
        }
    }
}

/// Those of a tree's links that lead out of it: over an absolute path, through too many `..`, or into a git
/// directory.
pub fn escaping(links: &[TreeLink]) -> Vec<Escape> {
    let targets: HashMap<&[u8], Option<&[u8]>> =
        links.iter().map(|link| (link.path.as_slice(), link.target.as_deref())).collect();
    let escapes = links.iter().filter(|link| leads_out(&targets, &link.path));
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    escapes
        .map(|link| Escape {
            path: shown(&link.path),
            target: link.target.as_deref().map_or_else(|| "[longer than a path]".to_owned(), shown),
        })
        .collect()
}

fn leads_out(targets: &HashMap<&[u8], Option<&[u8]>>, link: &[u8]) -> bool {
    let mut at: Vec<&[u8]> = Vec::new();
    // What is still to be walked, the next part last.
    let mut todo: Vec<&[u8]> = link.split(|b| *b == b'/').rev().collect();
    let mut hops = 0;
    while let Some(part) = todo.pop() {
        match part {
            b"" | b"." => continue,
            b".." => {
                if at.pop().is_none() {
                    return true;
                }
                continue;
            }
            part if part.eq_ignore_ascii_case(b".git") => return true,
            part => at.push(part),
        }
        let Some(target) = targets.get(at.join(&b'/').as_slice()) else { continue };
        // One that no file system takes leads nowhere good.
        let Some(target) = target else { return true };
        hops += 1;
        if target.starts_with(b"/") {
            return true;
        }
        if hops > MOST_HOPS {
            // A circle: whoever follows it gets an error.
            return false;
        }
        at.pop();
        todo.extend(target.split(|b| *b == b'/').rev());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escapes(links: &[(&str, &str)]) -> Vec<String> {
        let link = |(path, target): &(&str, &str)| TreeLink {
            path: path.as_bytes().to_vec(),
            target: (*target != "LONG").then(|| target.as_bytes().to_vec()),
        };
        let links: Vec<TreeLink> = links.iter().map(link).collect();
        escaping(&links).into_iter().map(|escape| escape.path).collect()
    }

    #[test]
    fn links_within_the_tree_are_fine_wherever_they_go() {
        let fine = [
            ("a", "b/c"),
            ("d/e", "../x"),
            ("d/f", "."),
            ("g", "missing"),
            ("d/h", "../d/../d/./x"),
            ("loop", "loop"),
            ("l1", "l2"),
            ("l2", "l1"),
            ("git", ".github/x"),
        ];
        assert_eq!(escapes(&fine), [""; 0]);
    }

    #[test]
    fn absolute_paths_too_many_parents_and_git_directories_lead_out() {
        for target in
            ["/", "/etc/passwd", "..", "../x", "x/../../y", ".git/hooks/post-checkout", "sub/.GIT/x", "LONG"]
        {
            assert_eq!(escapes(&[("a", target)]), ["a"], "{target}");
        }
        assert_eq!(escapes(&[("d/a", "../../x")]), ["d/a"]);
    }

    #[test]
    fn links_are_followed_through_other_links_as_the_kernel_does() {
        // By its text alone `d/deep/up/..` is `d/deep`; but `up` is the root.
        assert_eq!(escapes(&[("d/deep/up", "../.."), ("out", "d/deep/up/../x")]), ["out"]);
        // And the reverse: the text leads out, the links do not.
        assert_eq!(escapes(&[("down", "d/deep"), ("fine", "down/../../x")]), [""; 0]);
        assert_eq!(escapes(&[("abs", "/tmp"), ("via", "abs/x")]), ["abs", "via"]);
    }
}
