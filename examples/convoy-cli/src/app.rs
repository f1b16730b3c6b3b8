//! What every command needs: where it works, the engine there, the convoy that is meant.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use convoy_core::engine::{Engine, EngineBuilder};
use convoy_core::types::ConvoyId;

use crate::args::{AgentArgs, PlaceArgs};
use crate::exit::Failure;
use crate::host::Host;
use crate::output::Out;
use crate::render::Hints;

/// One call of the program.
pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) place: PlaceArgs,
    pub(crate) out: Out,
    /// Engines that were opened to look at something, to be closed at the end.
    opened: RefCell<Vec<Engine>>,
}

impl App {
    pub(crate) fn new(host: Host, place: PlaceArgs, out: Out) -> Self {
        Self { host, place, out, opened: RefCell::default() }
    }

    /// Command lines for the person to type next.
    pub(crate) fn hints(&self) -> Hints {
        Hints::new(&self.host.program, self.place.repo.as_deref(), self.place.state_dir.as_deref())
    }

    /// The folder whose repository is meant.
    pub(crate) fn repo(&self) -> Result<PathBuf, Failure> {
        let repo = match &self.place.repo {
            Some(repo) => self.host.absolute(repo),
            None => self.host.cwd.clone(),
        };
        if repo.is_dir() {
            return Ok(repo);
        }
        Err(Failure::usage(format!("{} is no folder: name a git repository with --repo", repo.display())))
    }

    /// A builder for the place, with this environment for everything that is started.
    pub(crate) fn builder(&self, env: BTreeMap<String, String>) -> Result<EngineBuilder, Failure> {
        let builder = Engine::builder(self.repo()?).env(env).actor(self.host.actor());
        let builder = builder.git_backend(self.place.git_backend.into());
        Ok(match &self.place.state_dir {
            Some(dir) => builder.state_dir(self.host.absolute(dir)),
            None => builder,
        })
    }

    /// The same, with these limits of adapters, which convoy files may define, and what is to be kept.
    pub(crate) fn limited(
        &self,
        env: BTreeMap<String, String>,
        agents: &AgentArgs,
    ) -> Result<EngineBuilder, Failure> {
        let limits = agents.adapter_limits().into_iter();
        let builder = self.builder(env)?.retention(agents.keep.retention());
        Ok(limits.fold(builder, |builder, (name, limit)| builder.profile_limit(name, limit)))
    }

    /// The engine of a place where something is stored. Creates nothing.
    pub(crate) async fn stored(&self) -> Result<Option<Engine>, Failure> {
        self.open(self.host.whole_env(), &AgentArgs::default()).await
    }

    /// The same, with this environment for everything that is started, and these limits.
    pub(crate) async fn open(
        &self,
        env: BTreeMap<String, String>,
        agents: &AgentArgs,
    ) -> Result<Option<Engine>, Failure> {
        let engine = self.limited(env, agents)?.open_existing().await.map_err(Failure::before)?;
        self.opened.borrow_mut().extend(engine.clone());
        Ok(engine)
    }

    /// Closes what was opened, so that nothing but the database is left of it.
    pub(crate) async fn close(&self) {
        let opened = self.opened.take();
        for engine in opened {
            engine.shutdown().await;
        }
    }

    /// The engine of a place where something is stored, and the convoy that is meant there.
    pub(crate) async fn convoy(&self, wanted: Option<&str>) -> Result<(Engine, ConvoyId), Failure> {
        let Some(engine) = self.stored().await? else { return Err(self.nothing()) };
        let ids: Vec<ConvoyId> = engine.list().await?.into_iter().map(|convoy| convoy.id).collect();
        if let Some(Ok(id)) =
            wanted.map(ConvoyId::new).filter(|id| !id.as_ref().is_ok_and(|id| ids.contains(id)))
        {
            // It says whether the convoy was pruned, or never was.
            engine.status(&id).await?;
        }
        match choose(&ids, wanted)? {
            Some(id) => Ok((engine, id)),
            None => Err(self.nothing()),
        }
    }

    /// Nothing is stored here.
    pub(crate) fn nothing(&self) -> Failure {
        let run = self.hints().line("run FILE");
        Failure {
            kind: "not_found",
            ..Failure::usage(format!("no convoy is stored here; `{run}` starts one"))
        }
    }
}

/// The convoy whose id begins like this, with or without `convoy-`; the first when none is named.
pub(crate) fn choose(ids: &[ConvoyId], wanted: Option<&str>) -> Result<Option<ConvoyId>, Failure> {
    let Some(wanted) = wanted else { return Ok(ids.first().cloned()) };
    let start = wanted.to_ascii_lowercase();
    let begins = |id: &&ConvoyId| {
        let id = id.as_str();
        id.starts_with(&start) || id.strip_prefix("convoy-").is_some_and(|rest| rest.starts_with(&start))
    };
    let found: Vec<&ConvoyId> = ids.iter().filter(begins).collect();
    match found[..] {
        [id] if !start.is_empty() => Ok(Some(id.clone())),
        [] => Err(Failure {
            kind: "not_found",
            ..Failure::usage(format!(
                "no convoy {wanted:?} is stored here; `convoy list` shows those that are"
            ))
        }),
        _ => {
            let some: Vec<String> = found.iter().map(|id| id.to_string()).collect();
            let some = crate::render::some_of(&some);
            Err(Failure::usage(format!(
                "{wanted:?} is the beginning of several convoys: {some}; write more of it"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convoy_is_named_by_a_unique_beginning_of_its_id() {
        let ids: Vec<ConvoyId> = ["01aaa", "01abb", "02ccc"]
            .iter()
            .map(|start| ConvoyId::new(format!("convoy-{start:0<26}")).expect("valid"))
            .collect();
        let cases = [
            (None, Ok(Some(0))),
            (Some("02"), Ok(Some(2))),
            (Some("convoy-01ab"), Ok(Some(1))),
            (Some("CONVOY-01AA"), Ok(Some(0))),
            (Some(ids[1].as_str()), Ok(Some(1))),
            (Some("01"), Err("several")),
            (Some("convoy"), Err("several")),
            (Some(""), Err("several")),
            (Some("03"), Err("no convoy")),
        ];
        for (wanted, answer) in cases {
            match (choose(&ids, wanted), answer) {
                (Ok(found), Ok(index)) => {
                    assert_eq!(found, index.map(|i: usize| ids[i].clone()), "{wanted:?}")
                }
                (Err(failure), Err(part)) => {
                    assert!(failure.message.contains(part), "{wanted:?}: {failure:?}")
                }
                (found, _) => panic!("{wanted:?}: {found:?}"),
            }
        }
        assert_eq!(choose(&[], None).expect("nothing"), None);
    }
}
