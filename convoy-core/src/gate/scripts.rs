//! The files of the repository that shell commands run.

use std::collections::BTreeSet;

use super::manifest::Manifests;
use super::regression_test::{makefile, npm_scripts, rule};

/// Shells: programs that run the file they are given, or with `-c` a command.
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh"];

/// Other programs that run the file they are given.
const RUNNERS: &[&str] = &[".", "source", "python", "python3", "node", "ruby", "perl", "php", "deno", "bun"];

/// Programs that run what package.json calls by a name.
const PACKAGE_RUNNERS: &[&str] = &["npm", "pnpm", "yarn", "bun"];

/// What stands in front of a program.
const IN_FRONT: &[&str] = &[
    "!", "if", "then", "elif", "else", "while", "until", "do", "{", "env", "exec", "time", "nice", "nohup",
    "command", "timeout",
];

/// Most commands that are looked through: the rules of a makefile may call each other.
const MOST: usize = 1000;

/// The paths, from the root, of the files that shell commands run, as far as it can be seen: those that they name, and
/// those that the scripts of package.json and the rules of the makefile name which they call. In order.
pub fn scripts<'c>(commands: impl IntoIterator<Item = &'c str>, manifests: &Manifests) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left: Vec<String> = commands.into_iter().map(str::to_owned).collect();
    while let Some(command) = left.pop() {
        if seen.len() == MOST || seen.contains(&command) {
            continue;
        }
        let mut folder = "";
        for simple in command.split([';', '&', '|', '(', ')', '\n', '`']) {
            let words = simple.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            match run_by(&words, manifests) {
                Run::Nothing => {}
                Run::In(path) => folder = path,
                // Nobody says where the parenthesis ends that a folder is of.
                Run::Script(path) => {
                    found.extend([resolved("", path), resolved(folder, path)].into_iter().flatten())
                }
                Run::Commands(commands) => left.extend(commands),
            }
        }
        seen.insert(command);
    }
    found.into_iter().collect()
}

enum Run<'a> {
    Nothing,
    /// What follows runs in this folder.
    In(&'a str),
    Script(&'a str),
    Commands(Vec<String>),
}

/// What one command runs.
fn run_by<'a>(words: &[&'a str], manifests: &Manifests) -> Run<'a> {
    let is_in_front = |word: &&str| {
        IN_FRONT.contains(word)
            || word.contains('=')
            || word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
    };
    let start = words.iter().take_while(|word| is_in_front(word)).count();
    let Some((program, arguments)) = words[start..].split_first() else { return Run::Nothing };
    let program = *program;
    let names: Vec<&'a str> =
        arguments.iter().copied().filter(|word| !word.starts_with('-') && !word.contains('=')).collect();
    if program == "cd" {
        return names.first().map_or(Run::Nothing, |folder| Run::In(folder));
    }
    if SHELLS.contains(&program) {
        return run_by_shell(arguments, manifests);
    }
    if PACKAGE_RUNNERS.contains(&program) {
        let called = package_scripts(&names, manifests);
        if !called.is_empty() || !RUNNERS.contains(&program) {
            return Run::Commands(called);
        }
    }
    if ["make", "gmake"].contains(&program) {
        return Run::Commands(make_rules(&names, manifests));
    }
    if RUNNERS.contains(&program) {
        return names.first().map_or(Run::Nothing, |script| Run::Script(script));
    }
    // What has no slash is looked for in PATH.
    if program.contains('/') { Run::Script(program) } else { Run::Nothing }
}

/// What a shell runs: the command behind `-c`, which may stand together with other letters, or the script that its
/// first argument is. What follows a script are arguments of that.
fn run_by_shell<'a>(arguments: &[&'a str], manifests: &Manifests) -> Run<'a> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        match word.strip_prefix(['-', '+']) {
            Some(letters) if !letters.starts_with('-') && letters.ends_with('c') => {
                return run_by(&arguments[at + 1..], manifests);
            }
            // The name of an option follows, as in `-euo pipefail`.
            Some(letters) if !letters.starts_with('-') && letters.ends_with(['o', 'O']) => at += 2,
            Some(_) => at += 1,
            None => return Run::Script(word),
        }
    }
    Run::Nothing
}

/// The scripts of package.json that `npm test`, `npm run x`, `yarn x` and the like run.
fn package_scripts(arguments: &[&str], manifests: &Manifests) -> Vec<String> {
    let name = match arguments {
        ["run" | "run-script", name, ..] => name,
        ["t" | "tst", ..] => "test",
        [name, ..] => name,
        [] => return Vec::new(),
    };
    let scripts = npm_scripts(manifests).unwrap_or_default();
    let names = ["pre", "", "post"].map(|when| format!("{when}{name}"));
    names.iter().filter_map(|name| scripts.get(name)?.as_str().map(str::to_owned)).collect()
}

/// The recipes of these targets, and calls of those that they need.
fn make_rules(targets: &[&str], manifests: &Manifests) -> Vec<String> {
    let Some((_, text)) = makefile(manifests) else { return Vec::new() };
    let rules = || text.lines().filter(|line| !line.starts_with(['\t', '.', '#']));
    let first = || rules().find_map(|line| line.split_once(':').map(|(name, _)| name.trim()));
    let targets: Vec<&str> =
        if targets.is_empty() { first().into_iter().collect() } else { targets.to_vec() };
    let mut commands = Vec::new();
    for line in targets.iter().flat_map(|target| rule(&text, target)) {
        match line.split_once(':') {
            Some((_, needed)) if !line.starts_with('\t') => {
                let (needed, recipe) = needed.split_once(';').unwrap_or((needed, ""));
                commands.push(recipe.to_owned());
                commands.extend(needed.split_whitespace().map(|target| format!("make {target}")));
            }
            _ => commands.push(line.trim().trim_start_matches(['@', '-', '+']).to_owned()),
        }
    }
    commands
}

/// The path from the root; `None` when it leads out of it, or nobody can say where.
fn resolved(folder: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) || path.contains(['$', '*', '?']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_runs_is_found_as_far_as_it_can_be_seen() {
        let package = r#"{"scripts": {"pretest": "node ./pre.js", "test": "npm run unit && x", "unit": "sh u.sh data"}}"#;
        let make = "SHELL = sh\nall: lib\n\t@sh all.sh\n\ncheck test: lib ; sh one.sh\n\tCI=1 ./check.sh\n\nlib:\n\t-bin/lib\n\ntest: check\n";
        let manifests = Manifests::of(&[("package.json", package), ("Makefile", make)]);
        for (command, wanted) in [
            ("CI=1 sh -e './scripts/test.sh' --fast && test -s data", &["scripts/test.sh"][..]),
            ("./check data", &["check"]),
            ("check data; grep 'a b' c; echo x", &[]),
            ("bash -euc 'sh a.sh && ./b.sh'", &["a.sh", "b.sh"]),
            ("bash -euo pipefail -c 'sh a.sh'", &["a.sh"]),
            ("bash -euo pipefail a.sh", &["a.sh"]),
            ("bash scripts/test.sh -c ci", &["scripts/test.sh"]),
            ("if ! timeout -k 5 60 python3 -u t/run.py; then exit 1; fi", &["t/run.py"]),
            ("(cd sub/../other && sh t.sh) || exit 1", &["other/t.sh", "t.sh"]),
            ("/bin/true; ~/x.sh; ../out.sh; $HOME/x.sh; sh", &[]),
            ("npm test", &["pre.js", "u.sh"]),
            ("yarn unit", &["u.sh"]),
            ("npm run absent; npm ci", &[]),
            ("bun test/run.ts", &["test/run.ts"]),
            ("make -s test", &["bin/lib", "check.sh", "one.sh"]),
            ("make", &["all.sh", "bin/lib"]),
        ] {
            assert_eq!(scripts([command], &manifests), wanted, "{command}");
        }
        assert_eq!(scripts(["npm test", "make"], &Manifests::default()), [""; 0]);
        let circle = Manifests::of(&[("Makefile", "a: b\nb: a\n\tsh x.sh\n")]);
        assert_eq!(scripts(["make a"], &circle), ["x.sh"]);
    }
}
