//! A reviewer that is code of the host.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use convoy_core::process::COOKIE;
use convoy_core::review::{DiffError, ReviewReport, ReviewRequest, ReviewRunner, Verdict};
use convoy_core::types::{BoxFuture, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::callback::{Begin, Code, Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Live, Reply};
use crate::courier::Courier;
use crate::error::convoy_error;
use crate::json;
use crate::text;

/// The most of a diff that a request holds, in bytes.
const MOST_DIFF: usize = 512 << 10;

/// The time that a reviewer has to answer once it was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// A reviewer that is code of the program, in the place of the reviewing agent. Filled in by the program, all other
/// bytes zero, and copied by `convoy_engine_builder_set_review_runner`. Its functions come as those of
/// `convoy_agent_adapter` do, and what is said there of threads holds here.
///
/// The answer of a review is JSON: "verdict" ("pass", "block" or "could-not": there is no judgement, which is never
/// taken for a pass) and, optional, "text" (remarks; what must change, for the agent that tries again; or why there is
/// no judgement; 64 KiB are kept) and "usage" (as in the answer of an agent). A rejected completion is "could-not".
/// Where the file asks for the review ("fast", "panel"), "could-not" blocks the work: the attempt fails, and the event
/// "review_verdict" says "block", with "could_not" and the reason. Where it is up to the engine ("auto") the work lands and is counted
/// as not reviewed ("skipped").
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct convoy_review_runner {
    /// `sizeof(convoy_review_runner)`.
    pub struct_size: usize,
    /// Comes back as the first argument of every function. May be used on any thread.
    pub user_data: *mut c_void,
    /// NULL, or called exactly once, as that of `convoy_agent_adapter`.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Begins to judge one piece of work. `request` is JSON on one line, `len` bytes and a NUL, and gone when this
    /// returns: "task" (the id), "prompt" (what its agent was asked), "level" ("fast" or "panel"; members of a panel are
    /// separate calls), "base" and "commit" (object ids: the work, and what it started from), "paths" (that changed),
    /// "diff" (text, redacted, at most 512 KiB), "diff_truncated" (boolean: its end is missing; say so in the
    /// verdict), "nonce" (a word that nobody could know while the work was made), "checkout" (a folder with the files
    /// of the base, to read in), "env" (the environment of what the review starts), "worker_id", "timeout_ms". The
    /// work is not trusted: text in the diff is data.
    pub review: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or says that the judgement is no longer needed. Comes at most once for a number, and after `review` has
    /// returned for it. The engine waits one second for an answer.
    pub cancel: Option<unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64)>,
}

// SAFETY: `#[repr(C)]`, plain data for which zero is a value, and it begins with the members of the head.
unsafe impl Table for convoy_review_runner {
    const FIRST_SIZE: usize = size_of::<Self>();
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    model: Option<String>,
}

/// A reviewer as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostReviewer {
    description: Description,
    code: Arc<Code>,
    review: Begin,
}

impl HostReviewer {
    pub(crate) fn new(
        description: &str,
        table: &convoy_review_runner,
        user_data: UserData,
    ) -> Result<Self, convoy_error> {
        let review = required(table.review, "runner", "review")?;
        let code = Arc::new(Code::new(user_data, table.cancel));
        Ok(Self { description: json::read(description, "description")?, code, review })
    }

    /// The reviewer, with threads for its functions.
    pub(crate) fn with(self, courier: Arc<Courier>) -> Arc<dyn ReviewRunner> {
        Arc::new(Reviewer { description: self.description, code: self.code, review: self.review, courier })
    }
}

struct Reviewer {
    description: Description,
    code: Arc<Code>,
    review: Begin,
    courier: Arc<Courier>,
}

async fn request_text(request: &ReviewRequest, checkout: &str) -> Result<String, DiffError> {
    let paths = request.diff.paths().await?;
    let paths: Vec<_> = paths.iter().map(|path| text::shown_path(path)).collect();
    let diff = request.diff.text(MOST_DIFF).await?;
    let mut env = request.env.clone();
    env.insert(COOKIE.to_owned(), request.worker.to_string());
    let value: Value = json!({
        "task": request.task,
        "prompt": request.prompt,
        "level": request.level,
        "nonce": request.nonce,
        "base": request.base,
        "commit": request.commit,
        "paths": paths,
        "diff": diff.text,
        "diff_truncated": diff.truncated,
        "checkout": checkout,
        "env": env,
        "worker_id": request.worker,
        "timeout_ms": u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
    });
    Ok(format!("{value}\0"))
}

impl ReviewRunner for Reviewer {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn model(&self) -> Option<&str> {
        self.description.model.as_deref()
    }

    fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport> {
        Box::pin(async move {
            let could_not =
                |why: String| ReviewReport { verdict: Verdict::CouldNot(why), usage: Usage::default() };
            let checkout = match text::of_path(&request.checkout, "the folder to read in") {
                Ok(checkout) => checkout,
                Err(why) => return could_not(why),
            };
            let text = match request_text(&request, checkout).await {
                Ok(text) => text,
                Err(error) => return could_not(error.to_string()),
            };
            // The answer has to come within the time limit, the one to being told to stop as well.
            let timeout = Some(request.timeout.saturating_sub(GRACE.min(request.timeout / 2)));
            let grace = GRACE.min(request.timeout / 2);
            let limits = Limits { timeout, idle: None, grace, cancel: request.cancel.clone() };
            let ask = Ask {
                courier: self.courier.clone(),
                code: self.code.clone(),
                step: self.review,
                expects: Expects::Review,
                request: text,
                limits,
            };
            let ended = ask.run(|live| {
                if let Live::Output(_, bytes) = live {
                    request.log.output(&bytes);
                }
            });
            match ended.await {
                Ended::Resolved(Reply::Review(report)) => report,
                Ended::Rejected(message) => could_not(message),
                Ended::Stopped(why, Some(Reply::Review(report))) => ReviewReport {
                    usage: report.usage,
                    ..could_not(format!("the review was stopped: {why:?}"))
                },
                Ended::Stopped(why, _) => could_not(format!("the review was stopped: {why:?}")),
                Ended::Resolved(_) | Ended::Lost => {
                    could_not("the reviewer can no longer be called".to_owned())
                }
            }
        })
    }
}
