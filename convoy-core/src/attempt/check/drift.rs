//! The agent rates its own work, in its own session.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::CheckReport;
use super::bench::{Bench, End};
use crate::agent::{AgentAdapter, AgentOutcome, AgentRequest};
use crate::attempt::environment::agent_env;
use crate::attempt::guard::Guard;
use crate::attempt::log::{Log, ToLog};
use crate::clock::Stopwatch;
use crate::types::{Failure, FailureKind, Usage};

/// What an agent is asked. Its session knows the task.
const QUESTION: &str = "Your work on this task is finished and is about to be judged. Rate how far it does what the task asks, \
     no less and nothing else: 1 means exactly that, 0 means something else altogether. Change nothing. Answer with \
     one JSON object: {\"score\": a number from 0 to 1, \"explanation\": \"one or two sentences\"}";

/// Longest explanation that is kept, in bytes; of a longer one the start, with a mark behind it.
const LONGEST: usize = 2048;

/// How an agent rates its own work.
#[derive(Debug, Clone, PartialEq)]
pub struct Rating {
    /// From 0 to 1.
    pub score: f64,
    /// Its words.
    pub explanation: String,
}

/// What an agent says of its own work.
#[derive(Debug, Clone)]
pub struct DriftReport {
    /// Whether it was asked at all.
    pub asked: bool,
    /// Its rating, from 0 to 1; absent when there is none.
    pub score: Option<f64>,
    /// The least rating that passes.
    pub threshold: f64,
    /// Its words; redacted.
    pub explanation: String,
    /// Whether the rating is below that.
    pub drifted: bool,
    /// Why there is no rating.
    pub reason: Option<String>,
    /// How long the agent ran.
    pub elapsed: Duration,
    /// What it consumed.
    pub usage: Usage,
}

/// Has the agent rate its work, when the task asks for it. What cannot be rated is said, and passes: the rating is
/// a hint of the agent's own, no judgement. It is asked once for the same work, also when a crash comes between.
pub(super) async fn rate(bench: &mut Bench<'_>) -> Result<(), End> {
    if !bench.task.detect_drift {
        return Ok(());
    }
    let threshold = bench.context.plan.spec().drift_threshold;
    if let Some(rating) = &bench.request.rated {
        return weigh(rating, threshold);
    }
    let watch = Stopwatch::start();
    let answer = ask(bench).await?;
    let mut report = DriftReport {
        asked: answer.asked,
        score: None,
        threshold,
        explanation: String::new(),
        drifted: false,
        reason: None,
        elapsed: watch.elapsed(),
        usage: answer.usage,
    };
    let mut weighed = Ok(());
    match answer.rating {
        Ok(rating) => {
            let explanation = bench.context.redactor.clean_bounded(&rating.explanation, LONGEST);
            let rating = Rating { explanation, ..rating };
            weighed = weigh(&rating, threshold);
            (report.score, report.explanation) = (Some(rating.score), rating.explanation);
            report.drifted = weighed.is_err();
        }
        Err(reason) => report.reason = Some(bench.clean(&reason)),
    }
    bench.report(CheckReport::Drift(report));
    weighed
}

/// Whether work that was rated so goes on.
fn weigh(rating: &Rating, threshold: f64) -> Result<(), End> {
    let Rating { score, explanation } = rating;
    if *score >= threshold {
        return Ok(());
    }
    let text = format!("the agent rates its own work {score}, less than {threshold}: {explanation}");
    Err(End::Failed(Failure::new(FailureKind::Drift, text)))
}

/// A rating or why there is none, and what it cost.
struct Answer {
    rating: Result<Rating, String>,
    asked: bool,
    usage: Usage,
}

impl Answer {
    fn none(reason: impl std::fmt::Display) -> Self {
        Self { rating: Err(reason.to_string()), asked: false, usage: Usage::default() }
    }
}

async fn ask(bench: &mut Bench<'_>) -> Result<Answer, End> {
    let (context, task) = (bench.context, bench.task);
    let Some(session) = &bench.request.session else {
        return Ok(Answer::none("the agent left no session"));
    };
    let adapter = match context.registry.get(&session.adapter) {
        Ok(adapter) => adapter,
        Err(error) => return Ok(Answer::none(error)),
    };
    if !adapter.capabilities().resume || adapter.account() != session.account.as_deref() {
        return Ok(Answer::none("the adapter cannot continue the session"));
    }
    let agent_env = match agent_env(&context.host_env, context.plan.spec(), task) {
        Ok(env) => env,
        Err(error) => return Ok(Answer::none(error)),
    };
    // The session belongs to the path of the worktree.
    let env = bench.env()?;
    bench.restore_worktree(&env).await?;
    bench.restore_files().await.map_err(End::Failed)?;
    let path = context.dirs.check_log(&context.plan, bench.request.task, bench.request.attempt);
    let mut log = match Log::open(&path, &context.redactor) {
        Ok(log) => log,
        Err(error) => return Ok(Answer::none(error)),
    };
    log.title("the agent rates its work");
    let capabilities = adapter.capabilities();
    let request = AgentRequest {
        prompt: QUESTION.to_owned(),
        cwd: bench.worktree(),
        env: agent_env,
        model: task.model.clone().filter(|_| capabilities.model),
        session: Some(session.id.clone()),
        read_only: capabilities.read_only,
        timeout: task.gate_timeout,
        idle: None,
        grace: context.grace,
        task: Some(context.plan.id(bench.request.task).clone()),
        attempt: Some(bench.request.attempt),
        worker: context.worker(bench.request.task, bench.request.attempt),
        cancel: bench.cancel.clone(),
    };
    let guard = Guard::begin(context).await?;
    let answer = call(bench.cancel, &*adapter, request, log).await;
    let answer = bench.look_around(guard, answer).await?;
    // What it changed all the same is undone.
    bench.restore_files().await.map_err(End::Failed)?;
    Ok(answer)
}

async fn call(
    cancel: &CancellationToken,
    adapter: &dyn AgentAdapter,
    request: AgentRequest,
    log: Log,
) -> Result<Answer, End> {
    let mut sink = ToLog(log);
    let report = adapter.execute(request, &mut sink).await.after(cancel.is_cancelled());
    drop(sink.0.finish());
    let rating = match report.outcome {
        AgentOutcome::Succeeded => {
            rating(&report.result_text).ok_or_else(|| "its answer holds no rating".to_owned())
        }
        AgentOutcome::Failed(failure) => Err(format!("the agent failed: {}", failure.message)),
        AgentOutcome::Cancelled => return Err(End::Stopped),
    };
    Ok(Answer { rating, asked: true, usage: report.usage })
}

/// The last JSON object of a text that is a rating.
fn rating(text: &str) -> Option<Rating> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    let objects = starts.filter_map(|at| {
        let mut stream = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        stream.next()?.ok()
    });
    let mut ratings = objects.filter_map(|object| {
        let score = object.get("score")?.as_f64().filter(|score| (0.0..=1.0).contains(score))?;
        let explanation = object.get("explanation").and_then(Value::as_str).unwrap_or_default();
        Some(Rating { score, explanation: explanation.to_owned() })
    });
    ratings.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rating_of_an_answer_counts_and_nothing_else_does() {
        let cases = [
            (r#"{"score": 0.5, "explanation": "half"}"#, Some((0.5, "half"))),
            (
                r#"First {"score": 0.1} then ```json {"score": 1, "explanation": "all"} ``` done"#,
                Some((1.0, "all")),
            ),
            (r#"{"score": 0.9} {"score": 7}"#, Some((0.9, ""))),
            (r#"{"score": "0.9"}"#, None),
            (r#"{"score": -0.1}"#, None),
            (r#"{"rating": {"score": 0}}"#, Some((0.0, ""))),
            ("0.9", None),
            ("{\"score\": 0.9", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            let wanted =
                wanted.map(|(score, text): (f64, &str)| Rating { score, explanation: text.to_owned() });
            assert_eq!(rating(text), wanted, "{text}");
        }
    }
}
