//! Agents that are command line programs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::adapter::{AgentAdapter, AgentReport, AgentRequest, AgentSink, Capabilities, Probe, ProbeContext};
use super::dialect::{Dialect, Reader, Shape, excerpt, without_cut};
use super::environment::environment;
use super::fields::Fields;
use super::lines::Lines;
use super::{AgentError, command, judge};
use crate::process::{self, Command, Limits, Next, ProcessError, Sink, Stream, Tail};
use crate::spec::{CliProfile, OutputFormat, PromptVia};
use crate::types::{BoxFuture, Failure, FailureKind, SessionId};

/// How long a program may take to exit after the document that ends its run. Some never do.
const EXIT_GRACE: Duration = Duration::from_secs(2);
/// How much of the error output is kept.
const ERRORS: usize = 16 * 1024;

/// What understands a program's JSON: made anew for each run.
type MakeDialect = fn(name: &str, profile: &CliProfile, request: &AgentRequest) -> Box<dyn Dialect>;

/// An agent that is a command line program, described by a [`CliProfile`].
#[derive(Debug)]
pub struct CliAdapter {
    name: String,
    profile: CliProfile,
    dialect: MakeDialect,
}

impl CliAdapter {
    /// An adapter of this name for the program that `profile` describes.
    ///
    /// # Errors
    /// [`AgentError::InvalidProfile`] when the profile contradicts itself.
    pub fn new(name: impl Into<String>, profile: CliProfile) -> Result<Self, AgentError> {
        let name = name.into();
        command::check(&name, &profile)?;
        Ok(Self::with_dialect(name, profile, |name, profile, _| {
            Box::new(Fields::new(name, profile.fields.clone()))
        }))
    }

    /// The built-in `claude`: Claude Code without a terminal, on its own in its worktree.
    ///
    /// It runs with every permission, because a run without a person at hand would otherwise hang or
    /// give up; what it did is judged by the checks. A run that may only read has the editing tools
    /// taken away and asks for everything else, which without a person means no.
    pub fn claude() -> Self {
        super::claude::adapter()
    }

    pub(super) fn with_dialect(name: impl Into<String>, profile: CliProfile, dialect: MakeDialect) -> Self {
        Self { name: name.into(), profile, dialect }
    }

    fn failed(&self, kind: FailureKind, error: impl std::fmt::Display) -> AgentReport {
        AgentReport::failed(Failure::new(kind, format!("adapter {}: {error}", self.name)))
    }

    async fn run(&self, mut request: AgentRequest, sink: &mut dyn AgentSink) -> AgentReport {
        let arguments = match command::build(&self.name, &self.profile, &request) {
            Ok(arguments) => arguments,
            Err(failure) => return AgentReport::failed(failure),
        };
        let env = match environment(&request.env, &self.profile.env) {
            Ok(env) => env,
            Err(variable) => {
                let error = AgentError::MissingVariable { adapter: self.name.clone(), variable };
                return AgentReport::failed(Failure::new(FailureKind::Contract, error.to_string()));
            }
        };
        let Some(mut program) = program(&arguments, &request.cwd, env) else {
            return self.failed(FailureKind::Contract, "its command is empty");
        };
        if self.profile.prompt == PromptVia::Stdin {
            program.stdin = std::mem::take(&mut request.prompt).into_bytes();
        }
        program.cookie = Some(request.worker.to_string());
        let shape = match self.profile.output {
            OutputFormat::Text => Shape::Text,
            OutputFormat::Json => Shape::Whole(Vec::new()),
            OutputFormat::Jsonl => Shape::Lines(Lines::default()),
        };
        let reader = Reader::new(shape, (self.dialect)(&self.name, &self.profile, &request));
        let mut watch = Watch { sink, reader, errors: Tail::new(0, ERRORS), session: None };
        let limits = Limits { deadline: Some(request.timeout), idle: request.idle, grace: request.grace };
        let exit = match process::run(program, &limits, &request.cancel, &mut watch).await {
            Ok(exit) => exit,
            Err(error) => return judge::not_run(&self.name, &error),
        };
        watch.reader.finish();
        watch.tell_session();
        judge::report(&self.name, &request, &exit, watch.reader, &without_cut(&watch.errors))
    }

    async fn look(&self, context: &ProbeContext) -> Result<Probe, AgentError> {
        let adapter = || self.name.clone();
        let env = environment(&context.env, &self.profile.env)
            .map_err(|variable| AgentError::MissingVariable { adapter: adapter(), variable })?;
        let Some(probe) = &self.profile.probe else {
            let program = self.profile.command.first().cloned().unwrap_or_default();
            return if is_installed(&program, &context.cwd, &env) {
                Ok(Probe::available(None))
            } else {
                Err(AgentError::NotInstalled { adapter: adapter(), program })
            };
        };
        let Some(program) = program(probe, &context.cwd, env) else {
            return Err(AgentError::InvalidProfile {
                adapter: adapter(),
                why: "`probe` is empty".to_owned(),
            });
        };
        let mut said = Said(Tail::new(0, ERRORS));
        let limits = Limits::within(context.timeout);
        let exit =
            process::run(program, &limits, &context.cancel, &mut said).await.map_err(
                |error| match error {
                    ProcessError::NotFound { program, .. } => AgentError::NotInstalled {
                        adapter: adapter(),
                        program: program.display().to_string(),
                    },
                    source => AgentError::Process { adapter: adapter(), source },
                },
            )?;
        let output = said.0.text();
        if !exit.success() {
            let status = exit.stopped.map_or_else(|| exit.status.to_string(), |stopped| stopped.to_string());
            let (command, output) = (probe.join(" "), excerpt(&output));
            return Err(AgentError::ProbeFailed { adapter: adapter(), command, status, output });
        }
        let version = output.lines().map(str::trim).find(|line| !line.is_empty()).map(excerpt);
        Ok(Probe::available(version))
    }
}

impl AgentAdapter for CliAdapter {
    fn name(&self) -> &str {
        &self.name
    }

    fn account(&self) -> Option<&str> {
        self.profile.account.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        let CliProfile { resume, model, read_only, mcp_config, fields, .. } = &self.profile;
        Capabilities {
            resume: resume.is_some() && fields.session.is_some(),
            model: model.is_some(),
            read_only: read_only.is_some(),
            usage: fields.input_tokens.is_some() || fields.output_tokens.is_some(),
            cost: fields.cost_usd.is_some(),
            mcp: mcp_config.is_some(),
        }
    }

    fn probe<'a>(&'a self, context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(self.look(context))
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(self.run(request, sink))
    }
}

fn program(arguments: &[String], cwd: &Path, env: BTreeMap<OsString, OsString>) -> Option<Command> {
    let (program, arguments) = arguments.split_first()?;
    let mut command = Command::new(program, cwd).args(arguments);
    command.env = env;
    Some(command)
}

/// Whether the file is there: a path with a slash from `cwd`, a bare name on the `PATH`.
fn is_installed(program: &str, cwd: &Path, env: &BTreeMap<OsString, OsString>) -> bool {
    let can_run =
        |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return can_run(&cwd.join(program));
    }
    let path = env.get(&OsString::from("PATH")).cloned().unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.is_absolute() && can_run(&folder.join(program)))
}

/// Hands the output of a run on, and reads it.
struct Watch<'a> {
    sink: &'a mut dyn AgentSink,
    reader: Reader,
    errors: Tail,
    session: Option<SessionId>,
}

impl Watch<'_> {
    fn tell_session(&mut self) {
        if let Some(session) = &self.reader.facts.session
            && self.session.as_ref() != Some(session)
        {
            self.sink.session(session);
            self.session = Some(session.clone());
        }
    }
}

impl Sink for Watch<'_> {
    fn started(&mut self, pid: u32, start_time: Option<u64>) {
        self.sink.started(pid, start_time);
    }

    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Next {
        self.sink.output(stream, chunk);
        match stream {
            Stream::Stderr => self.errors.push(chunk),
            Stream::Stdout => {
                self.reader.push(chunk);
                self.tell_session();
            }
        }
        if self.reader.facts.finished { Next::EndWithin(EXIT_GRACE) } else { Next::Continue }
    }
}

/// Keeps the end of what a probe prints.
struct Said(Tail);

impl Sink for Said {
    fn output(&mut self, _stream: Stream, chunk: &[u8]) -> Next {
        self.0.push(chunk);
        Next::Continue
    }
}
