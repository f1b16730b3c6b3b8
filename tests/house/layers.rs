//! Who may name whom in `convoy-core`: lower modules never name higher ones.

use crate::source::Source;

/// Each module with the modules it may name. Everybody but `types` may name `error` and `types`; naming oneself is
/// free.
const TABLE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("clock", &[]),
    ("error", &[]),
    ("secret", &[]),
    ("spec", &["secret"]),
    ("plan", &["spec"]),
    ("event", &["spec", "plan"]),
    ("state", &["spec", "plan", "event"]),
    ("schedule", &["spec", "plan", "event", "state"]),
    ("process", &["clock"]),
    ("git", &["clock", "process"]),
    ("agent", &["clock", "process", "secret", "spec"]),
    ("review", &["clock", "process", "secret", "spec", "agent"]),
    ("gate", &["clock", "process", "secret", "git"]),
    ("merge", &["clock", "git"]),
    ("attempt", &["clock", "process", "secret", "spec", "plan", "git", "agent", "review", "gate", "merge"]),
    ("store", &["secret", "spec", "plan", "event", "state"]),
    (
        "engine",
        &[
            "clock", "secret", "spec", "plan", "event", "state", "schedule", "process", "git", "agent",
            "review", "gate", "merge", "attempt", "store",
        ],
    ),
];

/// Every place in a file of `convoy-core/src` that names a module its own module may not name.
pub(crate) fn violations(source: &Source) -> Vec<String> {
    let modules = module_path(&source.path);
    // The root of the crate declares all modules, and re-exports what it likes.
    let Some(own) = modules.first() else { return Vec::new() };
    let Some((_, may_name)) = TABLE.iter().find(|(name, _)| name == own) else {
        return vec![format!(
            "{}: the module `{own}` is in no layer: give it a row in the table",
            source.path
        )];
    };
    let allowed = |name: &str| {
        name == own || may_name.contains(&name) || (own != "types" && ["types", "error"].contains(&name))
    };
    named(source, modules.len())
        .into_iter()
        .filter(|(_, name)| !allowed(name))
        .map(|(at, name)| format!("{}: `{own}` is below `{name}` and must not name it", source.place(at)))
        .collect()
}

/// `["a", "b"]` for `convoy-core/src/a/b.rs` and for `convoy-core/src/a/b/mod.rs`.
pub(crate) fn module_path(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("convoy-core/src/").expect("a file of the core");
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    if inside == "lib" { Vec::new() } else { inside.split('/').map(str::to_owned).collect() }
}

/// The first name below the root of the crate in every path that starts there (`crate::`, or `super::` often
/// enough), and the token it stands at. `depth` is how deep the file's own module lies.
fn named(source: &Source, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // For every open brace, whether it is that of an inline module.
    let mut braces: Vec<bool> = Vec::new();
    for at in 0..source.tokens.len() {
        match source.tokens[at].text.as_str() {
            "{" => braces.push(at >= 2 && source.tokens[at - 2].text == "mod"),
            "}" => drop(braces.pop()),
            "crate" if source.window(at + 1) == ["::"] => heads(source, at + 2, 0, &mut found),
            // Later ones of a chain were seen with the first.
            "super" if source.window(at + 1) == ["::"] && !(at > 0 && source.tokens[at - 1].text == "::") => {
                let depth = depth + braces.iter().filter(|inline| **inline).count();
                heads(source, at, depth, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Collects the names that stand at `at` in a path whose prefix lies `depth` below the root of the crate.
fn heads(source: &Source, mut at: usize, mut depth: usize, found: &mut Vec<(usize, String)>) {
    while source.window(at) == ["super", "::"] {
        depth = depth.saturating_sub(1);
        at += 2;
    }
    if source.tokens[at].text != "{" {
        if depth == 0 && !is_macro_matter(source, at) {
            found.push((at, source.tokens[at].text.clone()));
        }
        return;
    }
    let mut nested = 0_usize;
    for inner in at.. {
        match source.tokens[inner].text.as_str() {
            "{" => nested += 1,
            "}" if nested == 1 => break,
            "}" => nested -= 1,
            _ => {}
        }
        let starts_entry = ["{", ","].contains(&source.tokens[inner].text.as_str());
        if nested == 1 && starts_entry && source.window(inner + 1) != ["}"] {
            heads(source, inner + 1, depth, found);
        }
    }
}

/// Exported macros lie at the root of the crate wherever they are written: a file may name its own. What a macro's
/// parameter stands for is judged where the macro is called.
fn is_macro_matter(source: &Source, at: usize) -> bool {
    let [name] = source.window(at);
    let defines = |at| source.window(at) == ["macro_rules", "!", name];
    name == "$" || (0..source.tokens.len()).any(defines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        violations(&Source::parse(&format!("convoy-core/src/{path}"), text))
    }

    #[test]
    fn naming_a_higher_module_is_found_however_it_is_written() {
        let cases = [
            ("spec/model.rs", "use crate::plan::Plan;", "`spec` is below `plan`"),
            ("spec/model.rs", "use crate::{types::Oid, plan::{Plan, self}};", "`spec` is below `plan`"),
            ("spec/mod.rs", "use crate::{\n types, plan,\n};", "spec/mod.rs:2"),
            ("spec/model.rs", "fn f(plan: &crate::plan::Plan) {}", "`spec` is below `plan`"),
            ("clock.rs", "use super::engine::Engine;", "`clock` is below `engine`"),
            ("git/refs.rs", "use super::super::merge::Queue;", "`git` is below `merge`"),
            ("git/refs.rs", "use super::{super::{merge::Queue}};", "`git` is below `merge`"),
            ("git/refs.rs", "mod tests { use super::super::super::merge; }", "`git` is below `merge`"),
            ("git/refs.rs", "fn f() { g!(crate::merge::X); }", "`git` is below `merge`"),
            ("types/ids.rs", "use crate::error::Error;", "`types` is below `error`"),
            ("merge/mod.rs", "use crate::process::Program;", "`merge` is below `process`"),
            ("state/mod.rs", "fn f() { crate::__store_cases!(x) }", "`state` is below `__store_cases`"),
            ("attempt/work.rs", "use crate::store::Store;", "`attempt` is below `store`"),
            ("store/mod.rs", "use crate::schedule::handle;", "`store` is below `schedule`"),
            ("secret/mod.rs", "use crate::*;", "`secret` is below `*`"),
            ("novel.rs", "", "in no layer"),
            ("novel/part.rs", "", "in no layer"),
        ];
        for (path, text, expected) in cases {
            let found = found(path, text);
            assert!(found.len() == 1 && found[0].contains(expected), "{path}: {text}: {found:?}");
        }
    }

    #[test]
    fn naming_what_lies_below_is_fine() {
        let cases = [
            ("lib.rs", "pub mod engine; pub use crate::engine::Engine;"),
            ("plan/mod.rs", "use crate::{spec::Spec, types::{TaskId, TaskIx}, error, plan::model};"),
            ("plan/model.rs", "use super::other::Thing; pub(super) fn f() {} pub(crate) fn g() {}"),
            ("git/refs.rs", "mod tests { use super::super::index; } use super::super::process;"),
            ("git/refs.rs", "fn f() { if x { super::index::g() } }"),
            (
                "spec/mod.rs",
                "//! See [`crate::engine`].\n// crate::engine\nconst A: &str = \"crate::engine::B\";",
            ),
            ("types/mod.rs", "pub use self::ids::TaskId;"),
            (
                "store/suite.rs",
                "macro_rules! all { ($m:ident) => { $crate::$m!() } } crate::all!(x); use crate::all as every;",
            ),
        ];
        for (path, text) in cases {
            assert_eq!(found(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn the_table_goes_from_the_ground_up() {
        let names: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
        for (ix, (name, may_name)) in TABLE.iter().enumerate() {
            for below in *may_name {
                assert!(names[..ix].contains(below), "`{name}` may name `{below}`, which is not below it");
            }
        }
    }
}
