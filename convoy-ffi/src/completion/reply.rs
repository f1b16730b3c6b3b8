//! The answers of hosts, as they stand in JSON.

use convoy_core::agent::{AgentOutcome, AgentReport};
use convoy_core::attempt::{Answer, PromptPart};
use convoy_core::merge::{Advance, PrepareOutcome, PrepareRequest, Prepared, Settled};
use convoy_core::review::{ReviewReport, Verdict};
use convoy_core::types::{Cost, Failure, FailureKind, Oid, SessionId, Timestamp, Usage};
use serde::Deserialize;

use crate::error::convoy_error;
use crate::json;
use crate::status::convoy_status::CONVOY_BAD_JSON;

/// The longest text of a report that is kept, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// What a completion must be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expects {
    /// The report of an agent.
    Agent,
    /// The report of a review.
    Review,
    /// A landing commit for this.
    Prepare(PrepareRequest),
    /// Whether the ref moved.
    Advance,
    /// Whether a commit landed.
    Settle,
    /// Whether a gate or a hook lets the work go on.
    Verdict,
    /// A part of a prompt.
    Part,
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The report of an agent.
    Agent(AgentReport),
    /// The report of a review.
    Review(ReviewReport),
    /// What came of preparing.
    Prepare(PrepareOutcome),
    /// What came of advancing.
    Advance(Advance),
    /// An engine with this newer lease has landed work.
    Fenced(u64),
    /// Whether a commit landed.
    Settle(Settled),
    /// Whether a gate or a hook lets the work go on.
    Verdict(Answer),
    /// A part of a prompt.
    Part(PromptPart),
}

impl Expects {
    /// Reads the answer.
    pub(crate) fn read(&self, text: &str) -> Result<Reply, convoy_error> {
        match self {
            Self::Agent => agent(json::read(text, "result")?).map(Reply::Agent),
            Self::Review => Ok(Reply::Review(review(json::read(text, "result")?))),
            Self::Prepare(request) => prepare(json::read(text, "result")?, request).map(Reply::Prepare),
            Self::Advance => advance(json::read(text, "result")?),
            Self::Settle => match json::read::<SettleText>(text, "result")?.outcome {
                SettledText::Landed => Ok(Reply::Settle(Settled::Landed)),
                SettledText::NotLanded => Ok(Reply::Settle(Settled::NotLanded)),
            },
            Self::Verdict => Ok(Reply::Verdict(match json::read(text, "result")? {
                PassText::Pass => Answer::Pass,
                PassText::Fail { reason } => Answer::Fail(reason),
            })),
            Self::Part => Ok(Reply::Part(match json::read(text, "result")? {
                PartText::Nothing => PromptPart::Nothing,
                PartText::Instructions { text } => PromptPart::Instructions(text),
                PartText::Data { text } => PromptPart::Data(text),
            })),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentText {
    outcome: AgentOutcomeText,
    #[serde(default, deserialize_with = "json::object")]
    failure: Option<FailureText>,
    exit_code: Option<i32>,
    session: Option<SessionId>,
    #[serde(default, deserialize_with = "json::object")]
    usage: UsageText,
    #[serde(default)]
    result_text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AgentOutcomeText {
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureText {
    failure_type: Option<FailureTypeText>,
    message: String,
    exit_code: Option<i32>,
    #[serde(default)]
    output_tail: String,
    retry_at: Option<Timestamp>,
}

/// The types of failures that an agent may give. The others only the engine can know.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FailureTypeText {
    Error,
    Refused,
    TurnLimit,
    NeedsInput,
    Idle,
    Timeout,
    RateLimit,
    NotInstalled,
    Auth,
    Contract,
}

impl From<FailureTypeText> for FailureKind {
    fn from(text: FailureTypeText) -> Self {
        match text {
            FailureTypeText::Error => Self::Error,
            FailureTypeText::Refused => Self::Refused,
            FailureTypeText::TurnLimit => Self::TurnLimit,
            FailureTypeText::NeedsInput => Self::NeedsInput,
            FailureTypeText::Idle => Self::Idle,
            FailureTypeText::Timeout => Self::Timeout,
            FailureTypeText::RateLimit => Self::RateLimit,
            FailureTypeText::NotInstalled => Self::NotInstalled,
            FailureTypeText::Auth => Self::Auth,
            FailureTypeText::Contract => Self::Contract,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct UsageText {
    input: Option<u64>,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
    cost_usd: Option<f64>,
}

impl From<UsageText> for Usage {
    fn from(text: UsageText) -> Self {
        let UsageText { input, cached_input, cache_write, output, cost_usd } = text;
        Self { input, cached_input, cache_write, output, cost_usd: cost_usd.map(Cost::from) }
    }
}

fn agent(text: AgentText) -> Result<AgentReport, convoy_error> {
    let outcome = match (text.outcome, text.failure) {
        (AgentOutcomeText::Succeeded, None) => AgentOutcome::Succeeded,
        (AgentOutcomeText::Cancelled, None) => AgentOutcome::Cancelled,
        (AgentOutcomeText::Failed, Some(failure)) => AgentOutcome::Failed(Failure {
            kind: failure.failure_type.map_or(FailureKind::Error, FailureKind::from),
            message: failure.message,
            exit_code: failure.exit_code.or(text.exit_code),
            output_tail: last(failure.output_tail),
            retry_at: failure.retry_at,
        }),
        (AgentOutcomeText::Failed, None) => {
            return Err(wrong("`result` says \"failed\": add its \"failure\" with a \"message\""));
        }
        (AgentOutcomeText::Succeeded | AgentOutcomeText::Cancelled, Some(_)) => {
            return Err(wrong("`result` has a \"failure\": its \"outcome\" must be \"failed\""));
        }
    };
    Ok(AgentReport {
        outcome,
        exit_code: text.exit_code,
        session: text.session,
        usage: text.usage.into(),
        result_text: last(text.result_text),
    })
}

/// The end of a text that may be too long.
fn last(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let cut = text.ceil_char_boundary(text.len() - LONGEST_TEXT);
        text.drain(..cut);
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewText {
    verdict: VerdictText,
    #[serde(default)]
    text: String,
    #[serde(default, deserialize_with = "json::object")]
    usage: UsageText,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum VerdictText {
    Pass,
    Block,
    CouldNot,
}

fn review(review: ReviewText) -> ReviewReport {
    let text = last(review.text);
    let verdict = match review.verdict {
        VerdictText::Pass => Verdict::Pass(text),
        VerdictText::Block => Verdict::Block(text),
        VerdictText::CouldNot => Verdict::CouldNot(text),
    };
    ReviewReport { verdict, usage: review.usage.into() }
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
enum PrepareText {
    Prepared { commit: Oid },
    NothingToLand,
    Conflict { tree: Oid, paths: Vec<String> },
}

fn prepare(text: PrepareText, request: &PrepareRequest) -> Result<PrepareOutcome, convoy_error> {
    match text {
        PrepareText::Prepared { commit } => Ok(PrepareOutcome::Prepared(Prepared {
            commit,
            onto: request.tip.clone(),
            integration_ref: request.integration_ref.clone(),
        })),
        PrepareText::NothingToLand => Ok(PrepareOutcome::NothingToLand),
        PrepareText::Conflict { paths, .. } if paths.is_empty() => {
            Err(wrong("`result.paths` is empty: name the paths that are part of the conflict"))
        }
        PrepareText::Conflict { tree, paths } => {
            Ok(PrepareOutcome::Conflict { tree, paths, onto: request.tip.clone() })
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
enum AdvanceText {
    Advanced,
    Moved { now: Option<Oid> },
    Fenced { newer: u64 },
}

fn advance(text: AdvanceText) -> Result<Reply, convoy_error> {
    Ok(match text {
        AdvanceText::Advanced => Reply::Advance(Advance::Advanced),
        AdvanceText::Moved { now } => Reply::Advance(Advance::Moved { now }),
        AdvanceText::Fenced { newer } => Reply::Fenced(newer),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettleText {
    outcome: SettledText,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SettledText {
    Landed,
    NotLanded,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
enum PassText {
    Pass,
    Fail { reason: String },
}

#[derive(Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
enum PartText {
    Nothing,
    Instructions { text: String },
    Data { text: String },
}

fn wrong(message: &str) -> convoy_error {
    convoy_error::new(CONVOY_BAD_JSON, message)
}

#[cfg(test)]
mod tests {
    use convoy_core::types::MergeStrategy;

    use super::*;

    fn report(text: &str) -> AgentReport {
        match Expects::Agent.read(text).expect("a report") {
            Reply::Agent(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn request() -> PrepareRequest {
        let oid = |c: char| Oid::new(c.to_string().repeat(40)).expect("valid");
        PrepareRequest {
            integration_ref: "refs/x".into(),
            tip: oid('a'),
            work: oid('b'),
            message: String::new(),
            strategy: MergeStrategy::Merge,
        }
    }

    #[test]
    fn a_report_says_what_the_host_said_and_no_more() {
        let bare = report(r#"{"outcome":"succeeded"}"#);
        assert_eq!(bare, AgentReport::ended(AgentOutcome::Succeeded));
        let full = report(
            r#"{"outcome":"failed","failure":{"message":"no","failure_type":"auth"},"exit_code":3,
                "session":"s","usage":{"output":5,"cost_usd":0.5},"result_text":"r"}"#,
        );
        let AgentOutcome::Failed(failure) = &full.outcome else { panic!("{full:?}") };
        assert_eq!(
            (&failure.kind, failure.message.as_str(), failure.exit_code),
            (&FailureKind::Auth, "no", Some(3))
        );
        assert_eq!((full.usage.output, full.usage.input), (Some(5), None));
        assert_eq!(
            (full.session.as_ref().map(SessionId::as_str), full.result_text.as_str()),
            (Some("s"), "r")
        );
        let long = format!(r#"{{"outcome":"cancelled","result_text":"{}"}}"#, "\u{fc}".repeat(LONGEST_TEXT));
        let long = report(&long);
        assert!(long.result_text.len() <= LONGEST_TEXT && long.result_text.ends_with('\u{fc}'));
    }

    #[test]
    fn an_agent_gives_no_failure_that_only_the_engine_can_know() {
        let said = |kind: &str| {
            let failure = serde_json::json!({"message": "m", "failure_type": kind});
            Expects::Agent.read(&serde_json::json!({"outcome": "failed", "failure": failure}).to_string())
        };
        let words =
            "error refused turn-limit needs-input idle timeout rate-limit not-installed auth contract";
        for word in words.split(' ') {
            let Ok(Reply::Agent(report)) = said(word) else { panic!("{word} is refused") };
            let AgentOutcome::Failed(failure) = report.outcome else { panic!("{word} has not failed") };
            assert_eq!(failure.kind.to_string(), word);
        }
        let engines = "gate:make hook:make verify:make drift review-blocked merge-conflict approval-refused \
                       secret-in-prompt worktree snapshot";
        for word in engines.split_whitespace() {
            let refused = said(word).expect_err(word);
            assert!(refused.message().contains("there are `error`, `refused`"), "{}", refused.message());
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        let cases = [
            (Expects::Agent, "", "`result` is empty: pass an object, as JSON"),
            (Expects::Agent, "[]", "result"),
            (Expects::Agent, r#"{"outcome":"fine"}"#, "fine"),
            (Expects::Agent, r#"{"outcome":"failed"}"#, "failure"),
            (Expects::Agent, r#"{"outcome":"succeeded","failure":{"message":"m"}}"#, "failed"),
            (Expects::Agent, r#"{"outcome":"succeeded","x":1}"#, "x"),
            (
                Expects::Agent,
                r#"{"outcome":"succeeded","usage":[1,2]}"#,
                "found a list where an object must be",
            ),
            (
                Expects::Agent,
                r#"{"outcome":"failed","failure":{"message":"m","failure_type":"zork"}}"#,
                "there is no word `zork`, there are `error`, `refused`, `turn-limit`, `needs-input`, `idle`, `timeout`, \
                 `rate-limit`, `not-installed`, `auth`, `contract`",
            ),
            (Expects::Agent, r#"{"outcome":"succeeded","usage":{"inputs":1}}"#, "inputs"),
            (Expects::Review, r#"{"verdict":"ok"}"#, "ok"),
            (Expects::Prepare(request()), r#"{"outcome":"prepared","commit":"x"}"#, "x"),
            (Expects::Prepare(request()), r#"{"outcome":"conflict","tree":"T","paths":[]}"#, "paths"),
            (Expects::Advance, r#"{"outcome":"landed"}"#, "landed"),
            (Expects::Settle, r#"{"outcome":"advanced"}"#, "advanced"),
            (Expects::Verdict, r#"{"outcome":"fail"}"#, "reason"),
            (Expects::Verdict, r#"{"outcome":"passed"}"#, "passed"),
            (Expects::Part, r#"{"part":"data"}"#, "text"),
            (Expects::Part, r#""text""#, "result"),
        ];
        for (expects, text, word) in cases {
            let text = text.replace("\"T\"", &format!("\"{}\"", "c".repeat(40)));
            let refused = expects.read(&text).expect_err(&text);
            assert_eq!(refused.status(), CONVOY_BAD_JSON, "{text}");
            assert!(refused.message().contains(word), "{text}: {}", refused.message());
        }
    }

    #[test]
    fn gates_hooks_and_prompt_sources_say_what_they_can_say() {
        let said = |expects: Expects, text: &str| expects.read(text).expect(text);
        assert!(matches!(said(Expects::Verdict, r#"{"outcome":"pass"}"#), Reply::Verdict(Answer::Pass)));
        let failed = said(Expects::Verdict, r#"{"outcome":"fail","reason":"no"}"#);
        assert!(matches!(failed, Reply::Verdict(Answer::Fail(reason)) if reason == "no"));
        let parts = [
            (r#"{"part":"nothing"}"#, PromptPart::Nothing),
            (r#"{"part":"instructions","text":"t"}"#, PromptPart::Instructions("t".to_owned())),
            (r#"{"part":"data","text":"t"}"#, PromptPart::Data("t".to_owned())),
        ];
        for (text, expected) in parts {
            assert!(matches!(said(Expects::Part, text), Reply::Part(part) if part == expected), "{text}");
        }
    }

    #[test]
    fn a_prepared_commit_stands_on_what_was_asked_for() {
        let text = format!(r#"{{"outcome":"prepared","commit":"{}"}}"#, "c".repeat(40));
        let Ok(Reply::Prepare(PrepareOutcome::Prepared(prepared))) = Expects::Prepare(request()).read(&text)
        else {
            panic!("a prepared commit")
        };
        assert_eq!((prepared.onto, prepared.integration_ref.as_str()), (request().tip, "refs/x"));
    }
}
