//! What people ask, as it is stored: without secrets, printable, bounded.

use super::stored::to_stored_tasks;
use crate::error::Error;
use crate::event::{Request, RequestKind};
use crate::secret::Redactor;

/// Longest reason in bytes; of a longer one the start is kept, with a mark behind it.
const LONGEST: usize = 4096;

/// A person's text.
pub(super) fn clean_text(text: &str, redactor: &Redactor) -> String {
    redactor.clean_bounded(text, LONGEST)
}

/// The request with clean texts.
///
/// # Errors
/// [`ErrorKind::InvalidSpec`](crate::error::ErrorKind::InvalidSpec) when tasks to be added hold a secret anywhere but
/// in a prompt. (One in a prompt fails its task, unsent.)
pub(super) fn clean(mut kind: RequestKind, redactor: &Redactor) -> Result<RequestKind, Error> {
    let clean = |text: &mut String| *text = clean_text(text, redactor);
    match &mut kind {
        RequestKind::Pause | RequestKind::Unpause | RequestKind::Cancel | RequestKind::Publish => {}
        RequestKind::Interrupt { reason }
        | RequestKind::Approve { reason, .. }
        | RequestKind::Reject { reason, .. }
        | RequestKind::Skip { reason, .. }
        | RequestKind::Accept { reason, .. }
        | RequestKind::ResolveDeadLetter { resolution: reason, .. }
        | RequestKind::ResolveDispute { resolution: reason, .. } => clean(reason),
        RequestKind::RefuseInjection { reason, source, idempotency_key } => {
            clean(reason);
            clean(source);
            idempotency_key.as_mut().map(clean);
        }
        RequestKind::Inject { tasks, source, idempotency_key } => {
            clean(source);
            idempotency_key.as_mut().map(clean);
            *tasks = to_stored_tasks(std::mem::take(tasks), redactor)?;
        }
    }
    Ok(kind)
}

/// A request that another process left, cleaned again: that one may know fewer secrets, or be of another version.
/// Tasks that hold a secret become a refusal, which says so.
pub(super) fn clean_again(request: Request, redactor: &Redactor) -> Request {
    let Request { actor, kind, id } = request;
    let actor = clean_text(&actor, redactor);
    let origin = match &kind {
        RequestKind::Inject { source, idempotency_key, .. } => (source.clone(), idempotency_key.clone()),
        _ => Default::default(),
    };
    let kind = clean(kind, redactor).unwrap_or_else(|error| {
        let (source, idempotency_key) = origin;
        RequestKind::RefuseInjection {
            reason: clean_text(&error.to_string(), redactor),
            source: clean_text(&source, redactor),
            idempotency_key: idempotency_key.map(|key| clean_text(&key, redactor)),
        }
    });
    // Engines make no other ids.
    let id = id.filter(|id| ulid::Ulid::from_string(id).is_ok());
    Request { actor, kind, id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::decode;

    const TOKEN: &str = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");

    #[test]
    fn what_people_write_is_stored_without_secrets_and_control_characters_and_not_at_any_length() {
        let redactor = Redactor::with_values(std::iter::once("correct horse".to_owned()));
        let text = format!("see {TOKEN}\u{7}, correct horse");
        assert_eq!(
            clean_text(&text, &redactor),
            "see [REDACTED:github-token]\u{fffd}, [REDACTED:registered]"
        );
        let whole = "ü".repeat(LONGEST / 2);
        assert_eq!(clean_text(&whole, &redactor), whole);
        assert_eq!(
            clean_text(&format!("{whole}!"), &redactor),
            format!("{whole}[…]"),
            "it is told that more was said"
        );
    }

    #[test]
    fn a_secret_of_an_added_task_is_refused_unless_it_is_in_a_prompt_which_is_stored_without() {
        let inject = |fields: &str| {
            let text = format!("name: n\ntasks: [{{id: a, prompt: p, {fields}}}]\n");
            let tasks = decode(&text).spec.expect("valid").tasks.clone();
            let kind =
                RequestKind::Inject { tasks, source: "test".into(), idempotency_key: Some(TOKEN.into()) };
            clean(kind, &Redactor::new())
        };
        let refused = inject(&format!("description: {TOKEN}")).expect_err("a secret");
        assert!(refused.to_string().contains("tasks[0].description"), "{refused}");
        for fields in [format!("steps: [{{prompt: use {TOKEN}}}]"), "priority: 2".to_owned()] {
            let kept = format!("{:?}", inject(&fields).expect("accepted"));
            assert!(!kept.contains(TOKEN) && kept.contains("REDACTED"), "{kept}");
        }
    }
}
