//! What the verdicts of a panel come to together. Pure.

use super::runner::Verdict;

/// How many reviewers a panel has.
pub const PANEL: usize = 3;

/// What a panel came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelVerdict {
    /// The judgement of all together, with the texts of those that decided it.
    pub verdict: Verdict,
    /// Members that passed the work.
    pub passes: u32,
    /// Members that blocked it.
    pub blocks: u32,
}

/// Counts the verdicts of a panel. It passes with two passes and blocks with two blocks. Where members came to no
/// judgement there may be neither: then a single block stands, because nobody outvoted it, and without one
/// the panel came to no judgement.
pub fn count(verdicts: &[Verdict]) -> PanelVerdict {
    let (mut passed, mut blocked, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Pass(text) => passed.push(text.as_str()),
            Verdict::Block(text) => blocked.push(text.as_str()),
            Verdict::CouldNot(text) => silent.push(text.as_str()),
        }
    }
    let verdict = if passed.len() >= 2 {
        Verdict::Pass(listed(&passed))
    } else if !blocked.is_empty() {
        Verdict::Block(listed(&blocked))
    } else {
        Verdict::CouldNot(format!(
            "{} of {} reviewers came to no judgement: {}",
            silent.len(),
            verdicts.len(),
            listed(&silent)
        ))
    };
    let number = |list: &[&str]| u32::try_from(list.len()).unwrap_or(u32::MAX);
    PanelVerdict { verdict, passes: number(&passed), blocks: number(&blocked) }
}

/// Several texts as one, each once; empty ones left out.
fn listed(texts: &[&str]) -> String {
    let mut all: Vec<&str> = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_of_three_comes_to_what_its_members_say() {
        let of = |letter: char| match letter {
            'p' => Verdict::Pass("fine".to_owned()),
            'b' => Verdict::Block("wrong".to_owned()),
            _ => Verdict::CouldNot("timed out".to_owned()),
        };
        let letters = ['p', 'b', '-'];
        for a in letters {
            for b in letters {
                for c in letters {
                    let found = count(&[of(a), of(b), of(c)]);
                    let number = |wanted| [a, b, c].iter().filter(|letter| **letter == wanted).count();
                    let (passes, blocks) = (number('p'), number('b'));
                    assert_eq!((found.passes as usize, found.blocks as usize), (passes, blocks));
                    match found.verdict {
                        Verdict::Pass(text) => {
                            assert!(passes >= 2, "{a}{b}{c}");
                            assert_eq!(text, "fine", "the same remark is said once");
                        }
                        Verdict::Block(text) => {
                            assert!(blocks >= 1 && passes < 2, "{a}{b}{c}");
                            assert_eq!(text, "wrong");
                        }
                        Verdict::CouldNot(text) => {
                            assert!(blocks == 0 && passes < 2, "{a}{b}{c}");
                            assert!(text.ends_with("timed out"), "{text}");
                        }
                    }
                }
            }
        }
    }
}
