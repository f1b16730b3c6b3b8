//! Checking a convoy file.

use std::ffi::c_char;

use convoy_core::spec::Problem;
use serde_json::{Value, json};

use crate::error::convoy_error;
use crate::guard;
use crate::pointer::Out;
use crate::status::convoy_status;
use crate::text::{self, convoy_string};

/// Checks the text of a convoy file and reports every problem in it at once. Nothing is run, and no file is read.
///
/// `text` is the convoy file, in YAML or JSON: `len` bytes of UTF-8. NULL with a `len` of 0 is an empty text. It is
/// not kept.
///
/// `out` receives JSON on one line: `{"ok": BOOLEAN, "problems": [PROBLEM, ...]}`. "ok" says whether the file is
/// valid: it is true as long as no problem is an error. Problems stand in the order of the text. Each has
/// "severity" ("error" or "warning"), "line" and "column" (numbers from 1; columns count characters), "path" (the
/// field, as in `tasks[3].timeout`; empty for the file as a whole), "message" (what was found and what is allowed)
/// and, where there is something to say, "hint" (what to do about it). Later versions may add members.
///
/// A file with problems is a successful check: CONVOY_OK. The failures are CONVOY_NULL_ARGUMENT (`text` with a `len`
/// above 0, or `out`), CONVOY_BAD_LENGTH, CONVOY_BAD_UTF8 and CONVOY_PANICKED.
///
/// May be called from any threads at once.
///
/// # Safety
/// `text` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_check_spec(
    text: *const c_char,
    len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let text = unsafe { text::read(text, len, "text") }?;
        out.write(convoy_string::new(findings(text).to_string()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

fn findings(text: &str) -> Value {
    let checked = convoy_core::plan::check(text);
    json!({
        "ok": checked.is_ok(),
        "problems": checked.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn problem(problem: &Problem) -> Value {
    let mut value = json!({
        "severity": problem.severity.to_string(),
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
    });
    if let Some(hint) = &problem.hint {
        value["hint"] = json!(hint);
    }
    value
}
