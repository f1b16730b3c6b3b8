//! `demo`: a small convoy in a scratch repository, with a shell script as the agent.

mod git;

use std::path::{Path, PathBuf};

use convoy_core::event::RunOptions;

use self::git::Git;
use crate::app::App;
use crate::drive::drive;
use crate::exit::{Exit, Failure};

const SPEC: &str = include_str!("../../demo/demo.convoy.yml");
const AGENT: &str = include_str!("../../demo/agent.sh");

/// What the scratch repository begins with.
const FILES: [(&str, &str); 3] =
    [("demo.convoy.yml", SPEC), ("agent.sh", AGENT), ("MOTTO", "Every beginning is hard.\n")];

/// Makes the repository, runs the convoy, shows what became of it.
pub(crate) async fn demo(app: &mut App) -> Result<Exit, Failure> {
    let repo = place(app)?;
    let git = Git::new(&repo, &app.host.env);
    prepare(&repo, &git)?;
    app.out.line(format!("a scratch repository: {}", repo.display()));
    // From here on, also in the commands that are shown.
    app.place.repo = Some(repo.clone());
    // The person's own git configuration has no part in it.
    let mut env = app.host.whole_env();
    env.insert("HOME".to_owned(), repo.join(".git").display().to_string());
    env.remove("XDG_CONFIG_HOME");
    let engine = app.builder(env)?.build().await?;
    let exit = drive(app, &engine, engine.start(SPEC, RunOptions::default()), false).await?;
    show(app, &git)?;
    Ok(exit)
}

/// The folder of the scratch repository: the one that was named, or a new one that is kept.
fn place(app: &App) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::io("make a folder for the scratch repository", error);
    let Some(repo) = &app.place.repo else {
        let made = tempfile::Builder::new().prefix("convoy-demo-").tempdir_in(&app.host.temp);
        return Ok(made.map_err(failed)?.keep());
    };
    let repo = app.host.absolute(repo);
    std::fs::create_dir_all(&repo).map_err(failed)?;
    if std::fs::read_dir(&repo).map_err(failed)?.next().is_none() {
        return Ok(repo);
    }
    let repo = repo.display();
    Err(Failure::usage(format!(
        "{repo} is not empty: the demo makes a repository of its own, name a new folder"
    )))
}

fn prepare(repo: &Path, git: &Git) -> Result<(), Failure> {
    git.run(&["init", "--quiet", "--template=", "--initial-branch=main"])?;
    for (name, value) in [("user.name", "Demo"), ("user.email", "demo@localhost")] {
        git.run(&["config", name, value])?;
    }
    for (name, text) in FILES {
        let written = std::fs::write(repo.join(name), text);
        written.map_err(|error| Failure::io(format!("write {name}"), error))?;
    }
    git.run(&["add", "--all"])?;
    git.run(&["commit", "--quiet", "--message=Begin the demo"])?;
    Ok(())
}

/// The history, the files, and where to look.
fn show(app: &mut App, git: &Git) -> Result<(), Failure> {
    let history = git.run(&["log", "--graph", "--oneline", "--decorate-refs=refs/heads/main", "main"])?;
    let files = git.run(&["ls-tree", "-r", "--name-only", "main"])?;
    let hints = app.hints();
    app.out.line("\nthe history of main:");
    app.out.text(&history);
    app.out.line("\nits files:");
    app.out.text(&files);
    app.out.line("\nwhere to look:");
    for command in ["status", "events", "logs farewell --attempt 1", "logs motto-long"] {
        app.out.line(format!("  {}", hints.line(command)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use convoy_core::plan::check;

    use super::*;

    #[test]
    fn the_demo_has_eight_tasks_and_nothing_to_complain_of() {
        let checked = check(SPEC);
        assert_eq!(checked.problems, []);
        let plan = checked.plan.expect("a plan");
        assert_eq!(plan.len(), 8);
        let ready = plan.indices().filter(|ix| plan.task(*ix).depends_on.is_empty()).count();
        assert!(ready >= 2, "tasks that run at once");
        assert_eq!(plan.indices().filter(|ix| !plan.spec_of(*ix).gates.is_empty()).count(), 1);
    }
}
