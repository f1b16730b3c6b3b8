//! Which review a piece of work gets. Pure.

use crate::spec::{ReviewHeuristics, ReviewMode};
use crate::types::ReviewLevel;

/// What a piece of work changed, as far as the level of its review depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSize {
    /// Every path that changed, from the root, `/` between its parts; of a renamed file both.
    pub paths: Vec<String>,
    /// Number of changed files.
    pub files: u32,
    /// Lines added and deleted; `None` when a file has no lines to count, such as a picture.
    pub lines: Option<u64>,
}

/// The review that a piece of work is to get, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The level.
    pub level: ReviewLevel,
    /// Why it was chosen, for people.
    pub reason: String,
    /// Whether work whose review cannot run may land unreviewed: only where nobody asked for a review by name.
    pub may_skip: bool,
}

/// Chooses the review of work by `agent`; `None`: none is wanted. All of its gates have passed. The first rule
/// that fits decides: what the task says, panel path, panel agent, auto-pass agent, small diff, else fast.
pub fn choose(
    mode: ReviewMode,
    agent: &str,
    size: &ChangeSize,
    heuristics: &ReviewHeuristics,
) -> Option<Choice> {
    let asked = |level| {
        let reason = format!("the convoy file asks for `review: {level}`");
        Some(Choice { level, reason, may_skip: false })
    };
    match mode {
        ReviewMode::None => None,
        ReviewMode::Fast => asked(ReviewLevel::Fast),
        ReviewMode::Panel => asked(ReviewLevel::Panel),
        ReviewMode::Auto => {
            let (level, reason) = automatic(agent, size, heuristics);
            Some(Choice { level, reason, may_skip: true })
        }
    }
}

fn automatic(agent: &str, size: &ChangeSize, heuristics: &ReviewHeuristics) -> (ReviewLevel, String) {
    let named = |names: &[String]| names.iter().any(|name| name == agent);
    let named_paths = heuristics.panel_paths.iter().map(String::as_str);
    let panels: Vec<&str> = named_paths.chain(ReviewHeuristics::STEERING_PATHS.iter().copied()).collect();
    let critical = size
        .paths
        .iter()
        .find_map(|path| panels.iter().find(|panel| is_within(path, panel)).map(|panel| (path, panel)));
    if let Some((path, panel)) = critical {
        return (ReviewLevel::Panel, format!("{path} is one of the panel paths ({panel})"));
    }
    if named(&heuristics.panel_agents) {
        return (ReviewLevel::Panel, format!("{agent} is one of the panel agents"));
    }
    if named(&heuristics.auto_pass_agents) {
        return (ReviewLevel::AutoPass, format!("{agent} is one of the auto-pass agents"));
    }
    let most = u64::from(heuristics.auto_pass_max_lines);
    if let Some(lines) = size.lines.filter(|lines| *lines <= most)
        && size.files <= heuristics.auto_pass_max_files
    {
        let files = size.files;
        let (line_s, file_s) = (if lines == 1 { "" } else { "s" }, if files == 1 { "" } else { "s" });
        let text = format!("a small change ({lines} line{line_s} in {files} file{file_s})");
        return (ReviewLevel::AutoPass, text);
    }
    (ReviewLevel::Fast, "no other rule fits".to_owned())
}

/// Whether a path begins with the panel path, or goes on with it after a `/`. How the panel path is written (`/x`,
/// `./x`) makes no difference.
fn is_within(path: &str, panel: &str) -> bool {
    let panel = panel.trim_start_matches("./").trim_start_matches('/');
    let inside = |at: usize| at == 0 || path.as_bytes()[at - 1] == b'/';
    !panel.is_empty() && path.match_indices(panel).any(|(at, _)| inside(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(paths: &[&str], lines: Option<u64>) -> ChangeSize {
        let files = u32::try_from(paths.len()).expect("few");
        ChangeSize { paths: paths.iter().map(|path| (*path).to_owned()).collect(), files, lines }
    }

    #[test]
    fn the_first_rule_that_fits_chooses_the_level() {
        use ReviewLevel::{AutoPass, Fast, Panel};
        let (small, large) = (Some(10), Some(11));
        for (agent, paths, lines, wanted) in [
            ("developer", &["a.rs"][..], small, AutoPass),
            ("developer", &["a.rs"], large, Fast),
            ("developer", &["a.rs", "b.rs"], small, AutoPass),
            ("developer", &["a.rs", "b.rs", "c.rs"], Some(3), Fast),
            // A binary file has no lines: nobody can say that it is small.
            ("developer", &["a.png"], None, Fast),
            ("developer", &["auth/login.rs"], Some(1), Panel),
            ("developer", &["src/auth/login.rs"], Some(1), Panel),
            ("developer", &["src/oauth/login.rs"], Some(1), AutoPass),
            ("developer", &["a.rs", "CLAUDE.md"], Some(1), Panel),
            ("developer", &["docs/AGENTS.md"], Some(1), Panel),
            ("developer", &[".github/workflows/ci.yml"], Some(1), Panel),
            ("developer", &[".mcp.json"], Some(1), Panel),
            ("developer", &[".claude/settings.json"], Some(1), Panel),
            ("developer", &["tools/.cursor/rules"], Some(1), Panel),
            ("developer", &["MYCLAUDE.md"], Some(1), AutoPass),
            ("security-expert", &["a.rs"], Some(1), Panel),
            ("documentation-writer", &["a.rs"], Some(5000), AutoPass),
            // The path comes before the agent.
            ("documentation-writer", &["migrations/1.sql"], Some(1), Panel),
        ] {
            let heuristics = ReviewHeuristics::default();
            let choice = choose(ReviewMode::Auto, agent, &size(paths, lines), &heuristics).expect("some");
            assert_eq!(choice.level, wanted, "{agent} {paths:?} {lines:?}: {}", choice.reason);
            assert!(choice.may_skip);
        }
    }

    #[test]
    fn what_steers_agents_is_a_panel_path_whatever_the_convoy_file_says() {
        for panel_paths in [vec!["auth/".to_owned()], Vec::new()] {
            let heuristics = ReviewHeuristics { panel_paths, ..ReviewHeuristics::default() };
            let level = |path| choose(ReviewMode::Auto, "developer", &size(&[path], Some(1)), &heuristics);
            for path in ["CLAUDE.md", "docs/AGENTS.md", ".claude/settings.json", ".github/workflows/ci.yml"] {
                assert_eq!(level(path).expect("some").level, ReviewLevel::Panel, "{path}");
            }
            assert_eq!(level("migrations/1.sql").expect("some").level, ReviewLevel::AutoPass);
        }
    }

    #[test]
    fn what_the_task_says_comes_before_every_rule() {
        let (heuristics, tiny) = (ReviewHeuristics::default(), size(&["auth/a"], Some(1)));
        let chosen = |mode| {
            choose(mode, "copywriter", &tiny, &heuristics).map(|choice| (choice.level, choice.may_skip))
        };
        assert_eq!(chosen(ReviewMode::None), None);
        assert_eq!(chosen(ReviewMode::Fast), Some((ReviewLevel::Fast, false)));
        assert_eq!(chosen(ReviewMode::Panel), Some((ReviewLevel::Panel, false)));
    }

    #[test]
    fn panel_paths_match_at_the_start_or_after_a_slash() {
        for (path, panel, wanted) in [
            ("auth/a", "auth/", true),
            ("x/auth/a", "auth/", true),
            ("x/auth", "auth/", false),
            ("xauth/a", "auth/", false),
            ("xauth/auth/a", "auth/", true),
            ("auth/a", "./auth/", true),
            ("auth/a", "/auth/", true),
            ("src/db/a", "src/db", true),
            ("a", "", false),
            ("a", "./", false),
            ("ü/auth/ü", "auth/", true),
        ] {
            assert_eq!(is_within(path, panel), wanted, "{path} {panel}");
        }
    }
}
