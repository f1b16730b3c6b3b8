//! Agents that rate their own work.

use std::sync::{Arc, Mutex};

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::types::{BoxFuture, SessionId, Usage};
use convoy_tests::{ScratchRepo, write};

use crate::support::{run, spec};

/// An agent with sessions: asked for a rating it gives the next of these, and it edits what it rates.
struct Rater {
    ratings: Mutex<Vec<&'static str>>,
    sessions: bool,
    asked: Mutex<Vec<AgentRequest>>,
}

impl Rater {
    fn new(ratings: &[&'static str], sessions: bool) -> Arc<Self> {
        let ratings = Mutex::new(ratings.iter().rev().copied().collect());
        Arc::new(Self { ratings, sessions, asked: Mutex::new(Vec::new()) })
    }

    fn rated(&self) -> Vec<AgentRequest> {
        let asked = self.asked.lock().expect("nobody panics while holding it");
        asked.iter().filter(|request| request.prompt.contains("Rate how far")).cloned().collect()
    }
}

impl AgentAdapter for Rater {
    fn name(&self) -> &str {
        "inline"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        (capabilities.resume, capabilities.read_only) = (self.sessions, true);
        capabilities
    }

    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        _sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        self.asked.lock().expect("nobody panics while holding it").push(request.clone());
        let rates = request.prompt.contains("Rate how far");
        write(&request.cwd, "a.txt", if rates { "meddled\n" } else { "made\n" });
        let text = rates.then(|| self.ratings.lock().expect("nobody panics").pop()).flatten();
        let usage = Usage { output: Some(1), ..Usage::default() };
        let session = SessionId::new("s1").ok().filter(|_| self.sessions);
        let result_text = text.unwrap_or_default().to_owned();
        let report =
            AgentReport { session, usage, result_text, ..AgentReport::ended(AgentOutcome::Succeeded) };
        Box::pin(std::future::ready(report))
    }
}

#[tokio::test]
async fn an_agent_that_rates_its_work_too_low_tries_once_more_and_that_uses_no_retry() {
    const LOW: &str = r#"Hm. {"score": 0.3, "explanation": "half of it"}"#;
    const HIGH: &str = r#"{"score": 0.9, "explanation": "all of it"}"#;
    // The ratings, the end, the attempts, the ratings asked for.
    let cases: [(&[&str], &str, u32, usize); 4] = [
        (&[HIGH], "a=done", 1, 1),
        (&[LOW, HIGH], "a=done", 2, 2),
        (&[LOW, LOW], "a=failed", 2, 2),
        (&["I like it."], "a=done", 1, 1),
    ];
    for (ratings, end, attempts, times) in cases {
        let repo = ScratchRepo::new();
        let agent = Rater::new(ratings, true);
        let tasks = "  - {id: a, prompt: make it, detect_drift: true, max_retries: 2}\n";
        let ran = run(&repo, agent.clone(), &spec("", tasks)).await;
        assert_eq!((ran.statuses().as_str(), ran.task("a").attempts), (end, attempts), "{ratings:?}");
        let rated = agent.rated();
        assert_eq!(rated.len(), times, "{ratings:?}");
        let asked_well = |request: &AgentRequest| {
            request.session.as_ref().is_some_and(|id| id.as_str() == "s1") && request.read_only
        };
        assert!(rated.iter().all(asked_well), "{rated:?}");
        let results = ran.events_of("a", "drift_check_result");
        assert_eq!(results.len(), times);
        assert_eq!(
            ran.events_of("a", "drift_detected").len(),
            ratings.iter().filter(|text| **text == LOW).count()
        );
        assert_eq!(ran.task("a").tokens, Some(u64::from(attempts) + u64::try_from(times).expect("few")));
        match end {
            "a=failed" => assert_eq!(ran.failed_with("a"), "drift"),
            _ => assert_eq!(repo.tree("main")["a.txt"], "made", "a rating changes nothing"),
        }
        let last = &results[times - 1];
        if ratings == ["I like it."] {
            assert_eq!((&last["checked"], &last["drifted"]), (&false.into(), &false.into()));
            assert!(last["reason"].as_str().is_some_and(|why| why.contains("no rating")), "{last}");
            assert!(last.get("score").is_none(), "absent, not zero");
        }
    }
}

#[tokio::test]
async fn a_rating_that_is_explained_at_any_length_is_cut_with_a_mark_and_through_no_secret() {
    let token = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");
    let (start, end) = ("x".repeat(2030), "y".repeat(2000));
    let rating = format!("{{\"score\": 1, \"explanation\": \"{start} {token} {end}\"}}");
    let agent = Rater::new(&[rating.leak()], true);
    let tasks = "  - {id: a, prompt: make it, detect_drift: true}\n";
    let ran = run(&ScratchRepo::new(), agent, &spec("", tasks)).await;
    let result = &ran.events_of("a", "drift_check_result")[0];
    let explanation = result["explanation"].as_str().expect("a text");
    assert!(explanation.starts_with(&start) && explanation.ends_with("[…]"), "{explanation}");
    assert!(!explanation.contains("ghp") && explanation.len() < 2100, "{explanation}");
}

#[tokio::test]
async fn work_without_a_session_is_not_rated_and_that_is_said() {
    let repo = ScratchRepo::new();
    let agent = Rater::new(&[], false);
    let tasks =
        "  - {id: a, prompt: make it}\n  - {id: b, prompt: make it, detect_drift: false, depends_on: [a]}\n";
    let head = "defaults: {detect_drift: true, drift_threshold: 0.5}";
    let ran = run(&repo, agent.clone(), &spec(head, tasks)).await;
    ran.assert_done();
    let result = &ran.events_of("a", "drift_check_result")[0];
    assert_eq!((&result["checked"], &result["threshold"]), (&false.into(), &0.5.into()));
    assert_eq!(result["reason"], "the agent left no session");
    assert_eq!(ran.events_of("b", "drift_check_result"), [serde_json::Value::Null; 0]);
    assert!(agent.rated().is_empty());
}
