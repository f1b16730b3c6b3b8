//! Structures that cross the border as JSON.

use convoy_core::event::RunOptions;
use convoy_core::plan::Plan;
use convoy_core::spec::Concurrency;
use convoy_core::types::TaskIx;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::convoy_error;
use crate::status::convoy_status::{CONVOY_BAD_JSON, CONVOY_INTERNAL};

/// Reads a text as JSON of a certain form.
pub(crate) fn read<T: DeserializeOwned>(text: &str, argument: &str) -> Result<T, convoy_error> {
    serde_json::from_str(text).map_err(|error| {
        convoy_error::new(CONVOY_BAD_JSON, format!("`{argument}` is not the JSON that is asked for: {error}"))
    })
}

/// The text of something that the engine gave.
pub(crate) fn write(value: &impl serde::Serialize) -> Result<String, convoy_error> {
    serde_json::to_string(value).map_err(|error| {
        convoy_error::new(CONVOY_INTERNAL, format!("an answer of the engine cannot be written: {error}"))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct RunOptionsText {
    concurrency: Option<ConcurrencyText>,
    adapter: Option<String>,
    branch: Option<String>,
    max_injected: Option<u32>,
    inject_file: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`concurrency` is a number or \"auto\"")]
enum ConcurrencyText {
    Fixed(u32),
    Auto(AutoText),
}

#[derive(Deserialize)]
enum AutoText {
    #[serde(rename = "auto")]
    Auto,
}

/// The options of a run; no text stands for none.
pub(crate) fn run_options(text: Option<&str>) -> Result<RunOptions, convoy_error> {
    let Some(text) = text else { return Ok(RunOptions::default()) };
    let RunOptionsText { concurrency, adapter, branch, max_injected, inject_file } = read(text, "options")?;
    let concurrency = concurrency.map(|given| match given {
        ConcurrencyText::Fixed(number) => Concurrency::Fixed(number),
        ConcurrencyText::Auto(AutoText::Auto) => Concurrency::Auto,
    });
    Ok(RunOptions { concurrency, adapter, branch, max_injected, inject_file })
}

/// What a plan holds.
pub(crate) fn plan(plan: &Plan, options: &RunOptions) -> Value {
    let spec = plan.spec();
    let ids = |tasks: &[TaskIx]| tasks.iter().map(|ix| plan.id(*ix).as_str()).collect::<Vec<_>>();
    let task = |ix: TaskIx| {
        let task = plan.spec_of(ix);
        json!({
            "id": task.id,
            "phase": plan.task(ix).phase,
            "agent": task.agent,
            "adapter": task.adapter.as_ref().or(options.adapter.as_ref()).or(spec.adapter.as_ref()),
            "depends_on": ids(&plan.task(ix).depends_on),
            "overlaps": ids(&plan.task(ix).overlaps),
            "files": task.files,
            "gates": task.gates,
        })
    };
    json!({
        "name": spec.name,
        "concurrency": match options.concurrency.unwrap_or(spec.concurrency) {
            Concurrency::Fixed(number) => json!(number),
            Concurrency::Auto => json!("auto"),
        },
        "branch": options.branch.as_ref().or(spec.branch.as_ref()),
        "phases": plan.phases(),
        "tasks": plan.indices().map(task).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_run_are_read_whole_or_refused() {
        assert_eq!(run_options(None).expect("none"), RunOptions::default());
        assert_eq!(run_options(Some("{}")).expect("none"), RunOptions::default());
        let all = run_options(Some(
            r#"{"concurrency":4,"adapter":"a","branch":"b","max_injected":3,"inject_file":true}"#,
        ));
        let expected = RunOptions {
            concurrency: Some(Concurrency::Fixed(4)),
            adapter: Some("a".into()),
            branch: Some("b".into()),
            max_injected: Some(3),
            inject_file: true,
        };
        assert_eq!(all.expect("all"), expected);
        let auto = run_options(Some(r#"{"concurrency":"auto"}"#)).expect("auto");
        assert_eq!(auto.concurrency, Some(Concurrency::Auto));
        for wrong in ["", "[", r#"{"concurency":4}"#, r#"{"concurrency":"many"}"#, r#"{"concurrency":-1}"#] {
            assert_eq!(run_options(Some(wrong)).expect_err(wrong).status(), CONVOY_BAD_JSON, "{wrong}");
        }
    }
}
