//! Structures that cross the border as JSON.

use std::collections::BTreeMap;

use convoy_core::engine::Outcome;
use convoy_core::event::RunOptions;
use convoy_core::plan::Plan;
use convoy_core::spec::{Concurrency, Problem};
use convoy_core::types::TaskIx;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::{Value, json};

use crate::error::convoy_error;
use crate::status::convoy_status::{CONVOY_BAD_JSON, CONVOY_INTERNAL, CONVOY_INVALID_ARGUMENT};

/// Reads a text as a JSON object of a certain form.
pub(crate) fn read<T: DeserializeOwned>(text: &str, argument: &str) -> Result<T, convoy_error> {
    read_as(text, argument, ('{', "an object"))
}

/// Reads a text as a JSON list of certain items.
pub(crate) fn read_list<T: DeserializeOwned>(text: &str, argument: &str) -> Result<Vec<T>, convoy_error> {
    read_as(text, argument, ('[', "a list"))
}

/// The first character tells the two apart: read as a list, a structure takes its members by position.
fn read_as<T: DeserializeOwned>(
    text: &str,
    argument: &str,
    (first, form): (char, &str),
) -> Result<T, convoy_error> {
    let bad = |what: String| convoy_error::new(CONVOY_BAD_JSON, format!("`{argument}` {what}"));
    let wrong = |error: serde_json::Error| match error.classify() {
        Category::Data => bad(format!("is not as it must be: {}", in_json_words(&error.to_string()))),
        _ => bad(format!("is no JSON: {error}")),
    };
    let begin = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if begin.is_empty() {
        return Err(bad(format!("is empty: pass {form}, as JSON")));
    }
    if !begin.starts_with(first) {
        let found: Value = serde_json::from_str(text).map_err(wrong)?;
        return Err(bad(format!("must be {form}, found {}", kind(&found))));
    }
    serde_json::from_str(text).map_err(wrong)
}

/// Reads a member that must be an object, where it is there.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    if !(value.is_object() || value.is_null()) {
        return Err(D::Error::custom(format!("found {} where an object must be", kind(&value))));
    }
    serde_json::from_value(value).map_err(|error| D::Error::custom(in_json_words(&error.to_string())))
}

/// What a value is called.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The message of the reader, without the words of the language that it is written in.
fn in_json_words(message: &str) -> String {
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) =
            message.strip_prefix(prefix).and_then(|rest| rest.split_once(", expected "))
        {
            let (expected, at) = match expected.find(" at line ") {
                Some(at) => expected.split_at(at),
                None => (expected, ""),
            };
            return format!("found {} where {} must be{at}", found_word(found), expected_word(expected));
        }
    }
    for (theirs, ours) in [
        ("unknown field ", "there is no member "),
        ("unknown variant ", "there is no word "),
        ("missing field ", "there must be a member "),
        ("duplicate field ", "there may be only one member "),
    ] {
        if let Some(rest) = message.strip_prefix(theirs) {
            return format!(
                "{ours}{}",
                rest.replace(", expected one of ", ", there are ").replace(", expected ", ", there is ")
            );
        }
    }
    message.to_owned()
}

fn found_word(found: &str) -> String {
    match found.split_once(' ') {
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "an object".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {number}"),
        Some(("boolean", value)) => value.to_owned(),
        Some(("floating", number)) => format!("the number {}", number.trim_start_matches("point ")),
        _ => found.to_owned(),
    }
}

fn expected_word(expected: &str) -> &str {
    match expected {
        "a string" | "variant identifier" | "string or map" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        other if other.starts_with("struct ") || other.contains("enum ") => "an object",
        other => other,
    }
}

/// Whether the system could hand it to a program.
pub(crate) fn must_be_an_environment(env: &BTreeMap<String, String>) -> Result<(), convoy_error> {
    for (name, value) in env {
        let wrong = match () {
            () if name.is_empty() => "has a variable without a name",
            () if name.contains(['=', '\0']) => "has a variable with `=` or NUL in its name",
            () if value.contains('\0') => "has a variable with a NUL in its value",
            () => continue,
        };
        let message = format!("\"env\" {wrong}: {name:?}");
        return Err(convoy_error::new(CONVOY_INVALID_ARGUMENT, message));
    }
    Ok(())
}

/// How a run ended, as hosts read it.
pub(crate) fn outcome(outcome: &Outcome) -> Value {
    json!({ "ended": outcome.ended, "view": outcome.view, "warnings": warnings(outcome) })
}

/// What a run warns of: of the convoy file, and of what went wrong beside it.
pub(crate) fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.file_warnings.iter().chain(&outcome.warnings).map(String::as_str).collect()
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

#[derive(Debug, Deserialize)]
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

/// What a plan holds. `problems`: what the person should know of the file.
pub(crate) fn plan(plan: &Plan, options: &RunOptions, problems: &[Problem]) -> Value {
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
        "warnings": problems.iter().map(|problem| format!("the convoy file: {problem}")).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Form {
        text: String,
        number: u64,
        flag: bool,
        list: Vec<String>,
        #[serde(deserialize_with = "object")]
        inner: Option<Inner>,
        word: Option<AutoText>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        must: i32,
    }

    #[test]
    fn what_is_wrong_is_said_in_words_of_json_and_a_list_is_no_object() {
        let cases = [
            ("[]", "must be an object, found a list"),
            (" \n[\"t\",1]", "must be an object, found a list"),
            ("\"x\"", "must be an object, found a text"),
            ("", "is empty: pass an object, as JSON"),
            ("{\"text\":", "is no JSON: EOF while parsing a value at line 1 column 8"),
            ("{\"text\":[]}", "found a list where a text must be at line 1 column 8"),
            ("{\"text\":{}}", "found an object where a text must be at line 1 column 8"),
            (
                "{\"number\":-1}",
                "found the number `-1` where a whole number from 0 must be at line 1 column 12",
            ),
            (
                "{\"number\":1.5}",
                "found the number `1.5` where a whole number from 0 must be at line 1 column 13",
            ),
            (
                "{\"number\":\"x\"}",
                "found the text \"x\" where a whole number from 0 must be at line 1 column 13",
            ),
            ("{\"flag\":1}", "found the number `1` where true or false must be at line 1 column 9"),
            ("{\"list\":true}", "found `true` where a list must be at line 1 column 12"),
            ("{\"inner\":[1]}", "found a list where an object must be"),
            ("{\"inner\":{}}", "there must be a member `must`"),
            ("{\"inner\":{\"must\":null}}", "found null where a whole number must be"),
            ("{\"flags\":1}", "there is no member `flags`, there are `text`, `number`, `flag`"),
            ("{\"flag\":true,\"flag\":true}", "there may be only one member `flag`"),
            ("{\"word\":\"x\"}", "there is no word `x`, there is `auto`"),
        ];
        for (text, says) in cases {
            let refused = read::<Form>(text, "form").expect_err(text);
            assert_eq!(refused.status(), CONVOY_BAD_JSON, "{text}");
            let message = refused.message();
            assert!(message.starts_with("`form` ") && message.contains(says), "{text}: {message}");
            for word in ["struct", "expected", "u64", "sequence", "map"] {
                assert!(!message.contains(word), "{text}: {message}");
            }
        }
        let list = read_list::<String>("{}", "tasks").expect_err("no list");
        assert_eq!(list.message(), "`tasks` must be a list, found an object");
        assert_eq!(read_list::<String>("[\"a\"]", "tasks").expect("a list"), ["a"]);
    }

    #[test]
    fn a_variable_that_no_program_can_be_given_is_refused_by_its_name() {
        let env = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(must_be_an_environment(&env("A", "x=y")).is_ok());
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "secret\0")] {
            let refused = must_be_an_environment(&env(name, value)).expect_err(name);
            assert_eq!(refused.status(), CONVOY_INVALID_ARGUMENT);
            assert!(!refused.message().contains("secret"), "{}", refused.message());
        }
    }

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
