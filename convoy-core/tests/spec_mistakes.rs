//! All mistakes of a convoy file are reported in one go, each at its place.

use convoy_core::plan::check;
use convoy_core::spec::Severity;

/// Twenty-two mistakes; the comment at the end of a line is what is said of it, `#!` an error, `#?` a
/// warning.
const MISTAKES: &str = r#"
name: 5                            #! name: must be text
version: "1"                       #! version: must be the number 1 or 2
concurency: 3                      #! concurency: unknown key "concurency"
on_failure: explode                #! on_failure: must be one of
branch: "a..b"                     #! branch: must be a branch name
colour: red                        #? colour: unknown key "colour"
env:
  TOKEN: ghp_0123456789012345678901234567890123456789  #! env.TOKEN: looks like a secret
locks:
  db: 0                            #! locks.db: must be a whole number, 1 or more
defaults:
  timeout: 30                      #! defaults.timeout: must be a duration
  gates: npm test                  #! defaults.gates: must be a list
  mcp_approve_all: yes             #! defaults.mcp_approve_all: must be `true` or `false`
tasks:
  - id: a
    prompt: one
    max_retries: true              #! tasks[0].max_retries: must be a whole number
    depends_on: [b]                #! tasks[0].depends_on[0]: these tasks wait for each other: a → b → a
  - id: b
    prompt: two {{input.plan}}     #? tasks[1].prompt: `{{input.plan}}`
    depends_on: [a, nowhere]       #! tasks[1].depends_on[1]: there is no task "nowhere"
    timout: 5m                     #! tasks[1].timout: unknown key "timout"
  - id: c
    prompt: three
    files: [src/a]
    steps: banana                  #! tasks[2].steps: must be a list
  - id: d
    prompt: four
    timeout: 0s                    #! tasks[3].timeout: must be more than 0
    files: [./src/]                #! tasks[3].files[0]: "src" overlaps with "src/a" of task "c"
  - id: d                          #! tasks[4].id: another task has the id "d" too
    prompt: five
    on_exhausted: banana           #! tasks[4].on_exhausted: must be one of
    locks: [dbb]                   #! tasks[4].locks[0]: the lock "dbb" is not declared
"#;

#[test]
fn twenty_mistakes_are_all_reported_each_at_its_line() {
    let checked = check(MISTAKES);
    let mut expected = Vec::new();
    for (number, line) in MISTAKES.lines().enumerate() {
        for (mark, severity) in [("#! ", Severity::Error), ("#? ", Severity::Warning)] {
            if let Some((_, text)) = line.split_once(mark) {
                expected.push((number + 1, severity, text));
            }
        }
    }
    assert!(expected.len() >= 20, "{}", expected.len());
    let all: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    for (line, severity, text) in &expected {
        let (path, message) = text.split_once(": ").expect("PATH: MESSAGE");
        let found = checked.problems.iter().any(|p| {
            p.line as usize == *line
                && p.severity == *severity
                && p.path == path
                && p.message.starts_with(message)
        });
        assert!(found, "line {line}: {text}\n{}", all.join("\n"));
    }
    assert_eq!(checked.problems.len(), expected.len(), "{}", all.join("\n"));
    assert!(checked.spec.is_none() && checked.plan.is_none());
    assert!(all.is_sorted_by_key(|p| p.split(':').next().and_then(|l| l.parse::<u32>().ok())));
}
