//! Watching over the repository while something foreign runs.
//!
//! Agents, and the tests that they wrote, run in a worktree of the user's own repository: they can write to what
//! configures it for everybody. What is found afterwards is compared with what was there before:
//!
//! - Settings, hooks (wherever `core.hooksPath` says that they are), attributes, grafts, alternates, `refs/replace` and the kept work of other attempts decide what
//!   git does in the user's name, or hold work: a change does not pass. It is for the user to put back, since nobody
//!   but the user knows whether it was meant.
//! - Branches, tags and remote-tracking refs are the user's, who may commit, fetch or push at any time: a change is
//!   told, and nothing follows. So are settings of a branch that git itself wrote with it, the branch that the main
//!   worktree is on, and the convoy's own branch where it moved to anything that this engine did not publish.
//! - What engines do (landing, publishing, keeping work, making worktrees) never counts, also where another convoy's
//!   publishes to the same branch.
//!
//! Nobody can tell who made a change: it is laid to every attempt that was at work when it happened.

use super::context::Context;
use crate::git::{Fingerprint, GitError, Touched};
use crate::types::{Failure, FailureKind, GateLevel, Oid};

/// Its name as a gate.
pub(super) const GATE: &str = "repository_guard";

/// Most changes that are listed.
const MOST: usize = 50;

/// Longest name of one of them, in bytes.
const LONGEST: usize = 300;

/// What somebody changed of the repository while an attempt was at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardReport {
    /// Whether it only is told.
    pub level: GateLevel,
    /// What was changed: keys, paths and refs, never values. Redacted, bounded.
    pub changes: Vec<String>,
}

/// The repository before something foreign runs.
#[derive(Debug)]
pub(super) struct Guard(Fingerprint);

impl Guard {
    /// Looks at the repository.
    pub(super) async fn begin(context: &Context) -> Result<Self, GitError> {
        Ok(Self(context.repository.fingerprint().await?))
    }

    /// Looks again: what is to be told, and why the attempt does not pass.
    pub(in crate::attempt) async fn end(self, context: &Context) -> (Vec<GuardReport>, Option<Failure>) {
        let looked = async {
            let now = context.repository.fingerprint().await?;
            let touched = context.repository.touched(&self.0, &now).await?;
            Ok::<_, GitError>((touched, self.published(context, &now)))
        };
        let (touched, published) = match looked.await {
            Ok(looked) => looked,
            // It could be read before.
            Err(error) => (vec![Touched::File(format!("everything ({error})"))], Vec::new()),
        };
        let convoys = format!("refs/convoy/{}/", context.convoy);
        let (mut told, mut refused) = (Vec::new(), Vec::new());
        for touched in &touched {
            match weigh(touched, &convoys) {
                None => {}
                Some(_) if self.is_ours(context, touched, &published).await => {}
                Some(GateLevel::Warn) if is_of_another_convoy(context, touched).await => {}
                Some(GateLevel::Warn) => told.push(shown(touched)),
                Some(_) => refused.push(shown(touched)),
            }
        }
        let report = |level, list: &[String]| GuardReport { level, changes: clean(context, list) };
        let mut reports = Vec::new();
        if !told.is_empty() {
            reports.push(report(GateLevel::Warn, &told));
        }
        if refused.is_empty() {
            return (reports, None);
        }
        let report = report(GateLevel::Block, &refused);
        let message = format!(
            "while this attempt was at work somebody changed what configures the repository or holds work: {}. \
             Put it back (`git config --edit`, the folder of the hooks, `git update-ref`), \
             unless you changed it yourself; no task may change it",
            report.changes.join(", ")
        );
        reports.push(report);
        (reports, Some(Failure::new(FailureKind::Gate(GATE.to_owned()), message)))
    }

    /// The commits that this engine brings or has brought into the user's checkout.
    fn published(&self, context: &Context, now: &Fingerprint) -> Vec<Oid> {
        let tip = now.tip(&context.branch).filter(|tip| context.kept.explains(&context.branch, Some(tip)));
        context.kept.newest_publications().into_iter().chain(tip.and_then(|tip| Oid::new(tip).ok())).collect()
    }

    /// Whether it is work that this engine kept or published.
    async fn is_ours(&self, context: &Context, touched: &Touched, published: &[Oid]) -> bool {
        match touched {
            Touched::Ref { name, new, .. } => context.kept.explains(name, new.as_deref()),
            // Hooks that a repository tracks come into the checkout with what lands.
            Touched::Hook { path, found } => {
                let before = self.0.tip(&context.branch).and_then(|tip| Oid::new(tip).ok());
                for commit in published {
                    let is = context.repository.is_as_in(commit, before.as_ref(), path, found).await;
                    if is.unwrap_or(false) {
                        return true;
                    }
                }
                false
            }
            Touched::Setting { .. } | Touched::File(_) => false,
        }
    }
}

/// Whether a branch went forward to what another convoy of this repository has landed: its engine published it. What
/// cannot be read is told.
async fn is_of_another_convoy(context: &Context, touched: &Touched) -> bool {
    let Touched::Ref { name, old: Some(old), new: Some(new) } = touched else { return false };
    let (Ok(old), Ok(new)) = (Oid::new(old.clone()), Oid::new(new.clone())) else { return false };
    if !name.starts_with("refs/heads/") {
        return false;
    }
    let own = format!("refs/convoy/{}/", context.convoy);
    let git = &context.repository;
    let Ok(refs) = git.list_refs("refs/convoy/").await else { return false };
    let goes_forward = git.merge_base(&old, &new).await.is_ok_and(|base| base.as_ref() == Some(&old));
    let landed =
        refs.into_iter().filter(|(name, _)| name.ends_with("/integration") && !name.starts_with(&own));
    for (_, tip) in landed.filter(|_| goes_forward) {
        if git.merge_base(&new, &tip).await.is_ok_and(|base| base.as_ref() == Some(&new)) {
            return true;
        }
    }
    false
}

/// How a change is taken; `None`: it is an engine's own.
fn weigh(touched: &Touched, own: &str) -> Option<GateLevel> {
    match touched {
        Touched::Setting { of_whole_branch: true, .. } => Some(GateLevel::Warn),
        Touched::Setting { .. } | Touched::File(_) | Touched::Hook { .. } => Some(GateLevel::Block),
        Touched::Ref { name, .. } if name.starts_with("refs/replace/") => Some(GateLevel::Block),
        Touched::Ref { name, old, new } if name.starts_with("refs/convoy/") => {
            let is_kept = name.rsplit('/').next().is_some_and(|last| last.starts_with("attempt-"));
            match (old, new) {
                // Work is kept, and integration refs move, at any time.
                (None, _) => None,
                _ if !is_kept => None,
                // Convoys that have ended are pruned on request, this one is not.
                (Some(_), None) if !name.starts_with(own) => None,
                // Another engine may take work again that it was about to keep when it died.
                (Some(_), Some(_)) if !name.starts_with(own) => Some(GateLevel::Warn),
                (Some(_), _) => Some(GateLevel::Block),
            }
        }
        Touched::Ref { .. } => Some(GateLevel::Warn),
    }
}

fn shown(touched: &Touched) -> String {
    match touched {
        Touched::Setting { key, .. } => format!("setting {key}"),
        Touched::File(path) => path.clone(),
        Touched::Hook { path, .. } => path.display().to_string(),
        Touched::Ref { name, old: Some(_), new: None } => format!("{name} (deleted)"),
        Touched::Ref { name, old: None, .. } => format!("{name} (new)"),
        Touched::Ref { name, .. } => format!("{name} (moved)"),
    }
}

fn clean(context: &Context, list: &[String]) -> Vec<String> {
    let clean = |text: &String| context.redactor.clean_bounded(text, LONGEST).replace('\n', " ");
    let mut all: Vec<String> = list.iter().take(MOST).map(clean).collect();
    if list.len() > MOST {
        all.push(format!("[… and {} more]", list.len() - MOST));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_in_the_users_name_or_holds_work_is_refused_and_the_users_own_is_told() {
        let own = "refs/convoy/convoy-1/";
        let change = |name: &str, old: Option<&str>, new: Option<&str>| Touched::Ref {
            name: name.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        };
        let weigh = |touched: &Touched| weigh(touched, own);
        let setting = |of_whole_branch| Touched::Setting { key: "branch.x.remote".into(), of_whole_branch };
        assert_eq!(weigh(&setting(false)), Some(GateLevel::Block));
        assert_eq!(weigh(&setting(true)), Some(GateLevel::Warn));
        assert_eq!(weigh(&Touched::File("hooks/x".into())), Some(GateLevel::Block));
        let hook = Touched::Hook { path: "/x/.husky/pre-push".into(), found: Vec::new() };
        assert_eq!(weigh(&hook), Some(GateLevel::Block));
        let cases = [
            ("HEAD", Some("1"), Some("2"), Some(GateLevel::Warn)),
            ("refs/heads/main", Some("1"), Some("2"), Some(GateLevel::Warn)),
            ("refs/heads/other", Some("1"), Some("2"), Some(GateLevel::Warn)),
            ("refs/tags/v1", None, Some("2"), Some(GateLevel::Warn)),
            ("refs/replace/1", None, Some("2"), Some(GateLevel::Block)),
            ("refs/convoy/convoy-1/integration", Some("1"), Some("2"), None),
            ("refs/convoy/convoy-1/0-a/attempt-1", None, Some("2"), None),
            ("refs/convoy/convoy-1/0-a/attempt-1", Some("1"), Some("2"), Some(GateLevel::Block)),
            ("refs/convoy/convoy-1/0-a/attempt-1", Some("1"), None, Some(GateLevel::Block)),
            ("refs/convoy/convoy-0/0-a/attempt-1", Some("1"), None, None),
            ("refs/convoy/convoy-0/0-a/attempt-1", Some("1"), Some("2"), Some(GateLevel::Warn)),
        ];
        for (name, old, new, wanted) in cases {
            assert_eq!(weigh(&change(name, old, new)), wanted, "{name} {old:?} {new:?}");
        }
    }
}
