//! Checking a convoy file.

use std::collections::BTreeMap;
use std::ffi::c_char;

use convoy_core::plan::{Checked, check, check_formula};
use convoy_core::spec::Problem;
use serde_json::{Value, json};

use crate::error::convoy_error;
use crate::pointer::Out;
use crate::status::convoy_status;
use crate::text::{self, convoy_string};
use crate::{guard, json};

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
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_NULL_ARGUMENT (`text` with a `len` above 0, or `out`), CONVOY_BAD_LENGTH, CONVOY_BAD_UTF8 and
/// CONVOY_PANICKED.
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
        out.write(convoy_string::new(findings(&check(text)).to_string()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Fills in a formula, which is a template of a convoy file, and checks what comes of it.
///
/// `text` is the formula: `len` bytes of UTF-8. `values` is a JSON object of texts, the values of its variables by their
/// names; NULL with a length of 0 = none. Neither is kept, and values are never read as YAML.
///
/// `out` receives what `convoy_check_spec` gives, with the places of the problems in the formula, and "spec": the text
/// of the convoy file, to be given to `convoy_engine_start`, or null where the formula cannot be filled in. A formula
/// with problems is a successful check, too.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: those of `convoy_check_spec`, and CONVOY_BAD_JSON (`values`).
///
/// # Safety
/// `text` and `values` must be NULL or point to so many readable bytes that do not change during the call. `out` must
/// be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_check_formula(
    text: *const c_char,
    len: usize,
    values: *const c_char,
    values_len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        // SAFETY: the caller promises NULL or readable bytes that do not change.
        let (text, values) =
            unsafe { (text::read(text, len, "text")?, text::optional(values, values_len, "values")?) };
        let values: BTreeMap<String, String> =
            values.map_or(Ok(BTreeMap::new()), |values| json::read(values, "values"))?;
        let filled = check_formula(text.as_bytes(), &values);
        let mut answer = findings(&filled.checked);
        answer["spec"] = json!(filled.text);
        out.write(convoy_string::new(answer.to_string()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

fn findings(checked: &Checked) -> Value {
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
