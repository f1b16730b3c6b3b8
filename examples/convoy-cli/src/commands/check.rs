//! `check` and `schema`.

use convoy_core::spec::{Problem, Severity, json_schema};
use serde_json::{Value, json};

use super::spec::{look, problem_line};
use crate::app::App;
use crate::args::SourceArgs;
use crate::exit::{Exit, Failure};
use crate::render::count;

/// Says every problem of a convoy file or a formula, as a run would take it. `strict`: warnings refuse it, too.
pub(super) fn check(app: &mut App, source: &SourceArgs, json: bool, strict: bool) -> Result<Exit, Failure> {
    let looked = look(app, source)?;
    let (file, problems) = (looked.file.as_path(), looked.as_run(None));
    let ok = !problems.iter().any(|problem| strict || problem.is_error());
    if json {
        let problems: Vec<Value> = problems.iter().map(problem_json).collect();
        app.out.json(&json!({ "ok": ok, "problems": problems }));
    } else {
        for problem in &problems {
            app.out.line(problem_line(file, problem));
        }
        app.out.line(format!("{}: {}", file.display(), verdict(&problems, ok)));
    }
    Ok(if ok { Exit::Success } else { Exit::Usage })
}

fn verdict(problems: &[Problem], ok: bool) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let number = |number: usize, what| count(u64::try_from(number).unwrap_or(u64::MAX), what);
    let word = if ok { "ok" } else { "refused" };
    match (errors, problems.len() - errors) {
        (0, 0) => word.to_owned(),
        (0, warnings) => format!("{word}, {}", number(warnings, "warning")),
        (errors, 0) => format!("{word}, {}", number(errors, "error")),
        (errors, warnings) => format!("{word}, {}, {}", number(errors, "error"), number(warnings, "warning")),
    }
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// Prints the JSON Schema of convoy files.
pub(super) fn schema(app: &mut App) -> Exit {
    app.out.json(&json_schema());
    Exit::Success
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Place;

    const FILE: &str = "name: x
version: 1
on_failure: banana
mine: 1
tasks:
  - id: a
    promt: p
    depends_on: [b]
    timeout: 0s
";

    fn run(text: &str, json: bool, strict: bool) -> (u8, String) {
        let place = Place::new();
        place.write("f.yml", text);
        let (mut app, captured) = place.app();
        let exit = check(&mut app, &crate::commands::spec::file("f.yml"), json, strict).expect("checked");
        assert_eq!(captured.stderr(), "");
        (exit.code(), captured.stdout())
    }

    #[test]
    fn every_problem_is_a_line_with_its_place_and_field() {
        let (code, text) = run(FILE, false, false);
        let wanted = [
            "f.yml:3:13: error: on_failure: ",
            "f.yml:4:1: warning: mine: unknown key",
            "f.yml:6:5: error: tasks[0]",
            "f.yml:7:5: error: tasks[0].promt: unknown key \"promt\"",
            "f.yml:8:18: error: tasks[0].depends_on[0]: ",
            "f.yml:9:14: error: tasks[0].timeout: ",
            "f.yml: refused, 5 errors, 1 warning",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), wanted.len(), "{text}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{wanted}\n{text}");
        }
        assert_eq!(code, 2);
    }

    #[test]
    fn the_problems_are_one_object_for_programs() {
        let (code, text) = run(FILE, true, false);
        let object: Value = serde_json::from_str(&text).expect("json");
        assert_eq!((code, &object["ok"]), (2, &json!(false)));
        let problems = object["problems"].as_array().expect("a list");
        assert_eq!(problems.len(), 6);
        let first = &problems[0];
        assert_eq!(
            (&first["severity"], &first["line"], &first["column"]),
            (&json!("error"), &json!(3), &json!(13))
        );
        assert_eq!(first["path"], "on_failure");
        assert!(first["message"].is_string());
    }

    #[test]
    fn warnings_refuse_only_when_strict() {
        let fine = "name: x\nversion: 1\ntasks:\n  - {id: a, prompt: p}\n";
        let mine = format!("{fine}mine: 1\n");
        let line = "f.yml:5:1: warning: mine: unknown key \"mine\" (it is ignored; keys of your own start with `x-`, as in `x-mine`)\n";
        let (warned, refused) =
            (format!("{line}f.yml: ok, 1 warning\n"), format!("{line}f.yml: refused, 1 warning\n"));
        let (warned, refused) = (&*warned, &*refused);
        let unbuilt = format!("{fine}worktree: {{sparse: [src]}}\n");
        let cases = [
            (fine, false, 0, "f.yml: ok\n"),
            (fine, true, 0, "f.yml: ok\n"),
            (
                &*unbuilt,
                false,
                2,
                "f.yml:5:12: error: worktree.sparse: not supported yet: worktree.sparse\nf.yml: refused, 1 error\n",
            ),
            (&*mine, false, 0, warned),
            (&*mine, true, 2, refused),
        ];
        for (text, strict, code, wanted) in cases {
            assert_eq!(run(text, false, strict), (code, wanted.to_owned()));
        }
    }

    #[test]
    fn the_schema_is_json() {
        let (mut app, captured) = Place::new().app();
        assert_eq!(schema(&mut app), Exit::Success);
        let schema: Value = serde_json::from_str(&captured.stdout()).expect("json");
        assert!(schema["properties"]["tasks"].is_object());
    }
}
