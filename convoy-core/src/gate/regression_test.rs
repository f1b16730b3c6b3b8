//! `regression_test`: the project's own tests, as they were run before the work.

use serde_json::{Map, Value};

use super::manifest::{AsBefore, Manifests};
use super::scripts::scripts;

/// Files that decide what running the tests means.
pub(super) const CONFIGURATION: &[&str] = &[
    ".npmrc",
    ".cargo/config.toml",
    ".cargo/config",
    "rust-toolchain.toml",
    "rust-toolchain",
    "pytest.ini",
    ".pytest.ini",
];

/// Files with a part about pytest, and the heads of that part.
pub(super) const PYTEST_PARTS: &[(&str, &str)] =
    &[("pyproject.toml", "[tool.pytest"), ("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")];

/// In the order in which make looks for them.
pub(super) const MAKEFILES: &[&str] = &["GNUmakefile", "makefile", "Makefile"];

/// How the tests are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// The commands, one after the other.
    pub commands: Vec<String>,
    /// The programs that they need.
    pub programs: Vec<&'static str>,
    /// What decides about them, as it was before the work.
    pub as_before: Vec<AsBefore>,
    /// The scripts that they run, by what was before the work: these, too, are to be as they were.
    pub scripts: Vec<String>,
}

/// How the tests are run: by the manifests of before the work, or by the command that the spec gives. `None` when
/// nothing says how.
pub fn regression_test(base: &Manifests, work: &Manifests, given: Option<&str>) -> Option<TestRun> {
    let as_before = as_before(base, work);
    if let Some(command) = given {
        let scripts = scripts([command], base);
        return Some(TestRun {
            commands: vec![command.to_owned()],
            programs: Vec::new(),
            as_before,
            scripts,
        });
    }
    let mut found: Vec<(&str, &'static str)> = Vec::new();
    if npm_scripts(base).and_then(|scripts| scripts.get("test").cloned()).is_some_and(|t| is_a_test(&t)) {
        found.push(("npm test", "npm"));
    }
    if base.has("Cargo.toml") {
        found.push(("cargo test", "cargo"));
    }
    let has_part = |(name, head): &(&str, &str)| !part_of(base, name, head).is_empty();
    if base.has("pytest.ini") || base.has(".pytest.ini") || PYTEST_PARTS.iter().any(has_part) {
        found.push(("pytest", "pytest"));
    }
    if base.has("go.mod") {
        found.push(("go test ./...", "go"));
    }
    // A makefile mostly calls what is here already.
    if found.is_empty() && makefile(base).is_some_and(|(_, text)| !rule(&text, "test").is_empty()) {
        found.push(("make test", "make"));
    }
    let scripts = scripts(found.iter().map(|(command, _)| *command), base);
    let commands = found.iter().map(|(command, _)| (*command).to_owned()).collect();
    let programs = found.iter().map(|(_, program)| *program).collect();
    (!found.is_empty()).then_some(TestRun { commands, programs, as_before, scripts })
}

/// Everything that would make the same command mean less than before.
fn as_before(base: &Manifests, work: &Manifests) -> Vec<AsBefore> {
    let mut files = base.as_before(work, CONFIGURATION);
    for (name, head) in PYTEST_PARTS {
        if part_of(base, name, head) != part_of(work, name, head) {
            files.extend(base.as_before(work, &[name]));
        }
    }
    // A variable such as `SHELL`, or the rule of a prerequisite, decides as much as the rule itself.
    if makefile(base).is_some() {
        files.extend(base.as_before(work, MAKEFILES));
    }
    files.extend(package_json(base, work));
    files
}

/// The package.json of the work with the scripts of before it, when they differ. Scripts that the work adds stay.
fn package_json(base: &Manifests, work: &Manifests) -> Option<AsBefore> {
    let scripts = npm_scripts(base)?;
    let name = "package.json";
    let Some(Value::Object(mut package)) = json(work, name) else {
        return Some((name, base.bytes(name).map(<[u8]>::to_vec)));
    };
    let theirs = match package.get("scripts") {
        Some(Value::Object(theirs)) => theirs.clone(),
        _ => Map::new(),
    };
    let mut merged = theirs.clone();
    // One that runs before or after another of the same name would be new, too.
    for hook in ["pretest", "posttest"] {
        merged.shift_remove(hook);
    }
    merged.extend(scripts);
    if merged == theirs {
        return None;
    }
    package.insert("scripts".to_owned(), Value::Object(merged));
    Some((name, Some(Value::Object(package).to_string().into_bytes())))
}

fn json(of: &Manifests, name: &str) -> Option<Value> {
    serde_json::from_slice(of.bytes(name)?).ok()
}

pub(super) fn npm_scripts(of: &Manifests) -> Option<Map<String, Value>> {
    match json(of, "package.json")?.get("scripts") {
        Some(Value::Object(scripts)) => Some(scripts.clone()),
        _ => None,
    }
}

/// `npm init` writes a test that always fails.
fn is_a_test(script: &Value) -> bool {
    script.as_str().is_some_and(|text| !text.contains("no test specified"))
}

pub(super) fn makefile(of: &Manifests) -> Option<(&'static str, String)> {
    MAKEFILES.iter().find_map(|name| Some((*name, of.text(name)?.into_owned())))
}

/// The rules of a makefile for a target: prerequisites and recipes.
pub(super) fn rule(makefile: &str, target: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = false;
    for line in makefile.lines() {
        if !line.starts_with('\t') && !line.trim().is_empty() {
            let targets = line.split_once(':').filter(|(_, rest)| !rest.starts_with('='));
            within = targets.is_some_and(|(names, _)| names.split_whitespace().any(|name| name == target));
        }
        if within && !line.trim().is_empty() {
            found.push(line.to_owned());
        }
    }
    found
}

/// The lines of the parts of a configuration whose head begins so.
fn part_of(of: &Manifests, name: &str, head: &str) -> Vec<String> {
    let mut within = false;
    let text = of.text(name).unwrap_or_default();
    let lines = text.lines().filter(|line| {
        if line.trim_start().starts_with('[') && !line.starts_with(' ') {
            within = line.trim().starts_with(head);
        }
        within
    });
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(files: &[(&'static str, &str)]) -> String {
        let base = Manifests::of(files);
        let run = regression_test(&base, &base, None);
        run.map(|run| run.commands.join("; ")).unwrap_or_default()
    }

    #[test]
    fn the_repository_says_how_its_tests_are_run() {
        let npm = ("package.json", r#"{"scripts": {"test": "vitest"}}"#);
        let none =
            ("package.json", r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#);
        let make = ("Makefile", "all: x\n\ncheck test: all\n\tsh t.sh\n");
        assert_eq!(
            commands(&[npm, ("Cargo.toml", ""), ("go.mod", ""), make]),
            "npm test; cargo test; go test ./..."
        );
        assert_eq!(commands(&[none, make]), "make test");
        assert_eq!(commands(&[("Makefile", "test-all:\n\tx\ntest := y\n")]), "");
        assert_eq!(commands(&[("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-q'\n")]), "pytest");
        assert_eq!(commands(&[("pyproject.toml", "[tool.black]\n")]), "");
        assert_eq!(commands(&[("tox.ini", "[pytest]\nx = 1\n")]), "pytest");
        assert_eq!(commands(&[("pytest.ini", "")]), "pytest");
    }

    #[test]
    fn what_the_work_makes_easier_is_as_it_was_before() {
        let scripts = r#"{"name": "x", "scripts": {"test": "npm run unit", "unit": "vitest"}}"#;
        let eased = r#"{"name": "y", "scripts": {"unit": "true", "pretest": "exit 0", "new": "z"}}"#;
        let before = |base: &[(&'static str, &str)], work: &[(&'static str, &str)]| {
            let run = regression_test(&Manifests::of(base), &Manifests::of(work), Some("run"));
            let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).expect("text"));
            let files = run.expect("given").as_before.into_iter();
            files.map(|(name, content)| (name, text(content))).collect::<Vec<_>>()
        };
        let wanted = r#"{"name":"y","scripts":{"unit":"vitest","new":"z","test":"npm run unit"}}"#;
        let npm = before(&[("package.json", scripts)], &[("package.json", eased)]);
        assert_eq!(npm, [("package.json", Some(wanted.to_owned()))]);
        let added =
            r#"{"scripts": {"test": "npm run unit", "unit": "vitest", "more": "x"}, "dependencies": {}}"#;
        assert_eq!(before(&[("package.json", scripts)], &[("package.json", added)]), []);
        assert_eq!(before(&[("package.json", scripts)], &[])[0].1.as_deref(), Some(scripts));

        let make = "test: a\n\tsh t.sh\n\nall:\n\tx\n";
        for eased in ["SHELL := /bin/true\n".to_owned() + make, make.replace("\tx", "\ttrue")] {
            let found = before(&[("Makefile", make)], &[("Makefile", &eased)]);
            assert_eq!(found, [("Makefile", Some(make.to_owned()))]);
        }
        assert_eq!(before(&[("Cargo.toml", "")], &[("Cargo.toml", ""), ("Makefile", make)]), []);
        let eased = before(&[("Makefile", make)], &[("Makefile", "test:\n\ttrue\n")]);
        assert_eq!(eased, [("Makefile", Some(make.to_owned()))]);
        // One that make prefers would take the place of the other.
        let other = before(&[("Makefile", make)], &[("Makefile", make), ("GNUmakefile", "test:\n\ttrue\n")]);
        assert_eq!(other, [("GNUmakefile", None)]);

        let project = "[project]\nname = 'x'\n[tool.pytest.ini_options]\naddopts = '-q'\n";
        let renamed = project.replace("'x'", "'y'");
        assert_eq!(before(&[("pyproject.toml", project)], &[("pyproject.toml", &renamed)]), []);
        let eased = project.replace("-q", "--ignore=tests");
        assert_eq!(
            before(&[("pyproject.toml", project)], &[("pyproject.toml", &eased)])[0].0,
            "pyproject.toml"
        );
        assert_eq!(before(&[], &[("pytest.ini", "[pytest]")]), [("pytest.ini", None)]);
    }
}
