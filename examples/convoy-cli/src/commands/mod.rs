//! The commands, one function each.

mod check;
mod control;
mod dispute;
mod dlq;
mod inject;
mod logs;
mod look;
mod people;
mod plan;
mod prune;
mod run;
mod show;
mod spec;

use convoy_core::process::COOKIE;

use crate::app::App;
use crate::args::{Command, DisputeCommand, DlqCommand};
use crate::exit::{Exit, Failure};

impl Command {
    /// Whether a program reads the output.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Run(args) => args.json,
            Self::Prune(args) => args.json,
            Self::Resume { json, .. }
            | Self::Retry { json, .. }
            | Self::Status { json, .. }
            | Self::Show { json, .. }
            | Self::List { json }
            | Self::Events { json, .. }
            | Self::Check { json, .. }
            | Self::Publish { json, .. }
            | Self::Dispute(DisputeCommand::List { json, .. })
            | Self::Dlq(DlqCommand::List { json, .. } | DlqCommand::Retry { json, .. }) => *json,
            Self::Logs { .. }
            | Self::Artifact { .. }
            | Self::Schema
            | Self::Dlq(DlqCommand::Resolve { .. })
            | Self::Dispute(DisputeCommand::Resolve { .. })
            | Self::Cancel(_)
            | Self::Approve { .. }
            | Self::Reject(_)
            | Self::Skip(_)
            | Self::Accept { .. }
            | Self::Inject { .. }
            | Self::Pause(_)
            | Self::Unpause(_)
            | Self::Demo => false,
        }
    }

    /// Whether it changes a convoy that is there, which is for people to do.
    fn decides(&self) -> bool {
        match self {
            Self::Resume { .. }
            | Self::Retry { .. }
            | Self::Publish { .. }
            | Self::Prune(_)
            | Self::Dlq(DlqCommand::Resolve { .. } | DlqCommand::Retry { .. })
            | Self::Dispute(DisputeCommand::Resolve { .. })
            | Self::Cancel(_)
            | Self::Approve { .. }
            | Self::Reject(_)
            | Self::Skip(_)
            | Self::Accept { .. }
            | Self::Inject { .. }
            | Self::Pause(_)
            | Self::Unpause(_) => true,
            // A convoy of its own harms none: an agent may work on a program that runs convoys.
            Self::Run(_)
            | Self::Demo
            | Self::Status { .. }
            | Self::Show { .. }
            | Self::List { .. }
            | Self::Events { .. }
            | Self::Check { .. }
            | Self::Logs { .. }
            | Self::Artifact { .. }
            | Self::Schema
            | Self::Dispute(DisputeCommand::List { .. })
            | Self::Dlq(DlqCommand::List { .. }) => false,
        }
    }
}

/// Does what was typed.
///
/// What an agent, a gate or a hook types is refused where it would change a convoy. That is a fence and no wall: whoever
/// runs as the same user can do whatever that user can.
pub(crate) async fn execute(app: &mut App, command: Command) -> Result<Exit, Failure> {
    if command.decides() && app.host.env.contains_key(COOKIE) {
        return Err(Failure::usage(
            "a program that convoy started cannot decide for a person; run it from your own shell",
        ));
    }
    match command {
        Command::Run(args) => run::run(app, args).await,
        Command::Resume { convoy, json, agents } => run::resume(app, convoy.as_deref(), &agents, json).await,
        Command::Retry { convoy, tasks, json, agents } => {
            run::retry(app, convoy.convoy.as_deref(), &tasks, &agents, json).await
        }
        Command::Publish { convoy, json } => run::publish(app, convoy.convoy.as_deref(), json).await,
        Command::Status { convoy, json } => look::status(app, convoy.convoy.as_deref(), json).await,
        Command::List { json } => look::list(app, json).await,
        Command::Events { convoy, follow, json } => {
            look::events(app, convoy.convoy.as_deref(), follow, json).await
        }
        Command::Logs { task, convoy, attempt } => logs::logs(app, &task, convoy.as_deref(), attempt).await,
        Command::Show { task, convoy, attempt, json } => {
            show::show(app, &task, convoy.as_deref(), attempt, json).await
        }
        Command::Artifact { task, name, convoy } => {
            look::artifact(app, &task, &name, convoy.as_deref()).await
        }
        Command::Check { source, json, strict } => check::check(app, &source, json, strict),
        Command::Schema => Ok(check::schema(app)),
        Command::Dlq(command) => dlq::execute(app, command).await,
        Command::Dispute(command) => dispute::execute(app, command).await,
        Command::Cancel(convoy) => control::cancel(app, convoy.convoy.as_deref()).await,
        Command::Pause(convoy) => control::pause(app, convoy.convoy.as_deref()).await,
        Command::Unpause(convoy) => control::unpause(app, convoy.convoy.as_deref()).await,
        Command::Approve { wish, tree } => people::approve(app, wish, tree.as_deref()).await,
        Command::Reject(wish) => people::reject(app, wish).await,
        Command::Skip(wish) => people::skip(app, wish).await,
        Command::Accept { wish, commit } => people::accept(app, wish, &commit).await,
        Command::Inject { file, convoy, key } => {
            inject::inject(app, &file, convoy.as_deref(), key.as_deref()).await
        }
        Command::Prune(args) => prune::prune(app, args).await,
        Command::Demo => crate::demo::demo(app).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::testing::Place;

    #[test]
    fn what_convoy_started_looks_at_convoys_and_decides_nothing() {
        let cases = [
            ("approve a", true),
            ("reject a --reason no", true),
            ("skip a --reason no", true),
            ("accept a HEAD --reason mine", true),
            ("inject more.yml", true),
            ("cancel", true),
            ("pause", true),
            ("unpause", true),
            ("resume", true),
            ("retry", true),
            ("publish", true),
            ("prune --all", true),
            ("dlq resolve d1 --reason seen", true),
            ("dlq retry d1", true),
            ("dispute resolve d1 --reason seen", true),
            ("dlq list", false),
            ("dispute list", false),
            ("status", false),
            ("list", false),
            ("schema", false),
        ];
        let place = Place::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (typed, refused) in cases {
            let parsed = Args::try_parse_from(format!("convoy {typed}").split_whitespace()).expect(typed);
            let (mut app, _) = place.app();
            app.host.env.insert(COOKIE.to_owned(), "attempt".to_owned());
            let result = runtime.block_on(execute(&mut app, parsed.command));
            let said = result.err().map(|failure| failure.message).unwrap_or_default();
            assert_eq!(said.contains("cannot decide for a person"), refused, "{typed}: {said}");
        }
    }
}
