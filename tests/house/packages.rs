//! Packages: each is a member of the workspace, obeys its lints, and has no file that no target knows.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::source::Source;

/// A package as its manifest has it.
pub(crate) struct Package {
    /// Folder relative to the root of the repository.
    pub(crate) folder: String,
    pub(crate) manifest: Table,
}

/// A manifest that is not in the workspace is built and tested by nobody.
pub(crate) fn not_members(workspace: &Table, packages: &[Package]) -> Vec<String> {
    let members: Vec<&str> = workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("members")?.as_array())
        .map(|members| members.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    packages
        .iter()
        .filter(|package| !members.contains(&package.folder.as_str()))
        .map(|package| format!("{}: not a member of the workspace", package.folder))
        .collect()
}

/// Packages without `[lints] workspace = true`: the rules would not hold there.
pub(crate) fn without_lints(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter(|package| {
            let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
            lints != Some(&Value::Boolean(true))
        })
        .map(|package| format!("{}/Cargo.toml: lacks `[lints] workspace = true`", package.folder))
        .collect()
}

/// Rust files that no target reaches by `mod`: nobody compiles them, and a test in them never runs.
pub(crate) fn forgotten(packages: &[Package], sources: &[Source]) -> Vec<String> {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut reached = BTreeSet::new();
    let mut missing = Vec::new();
    for package in packages {
        for root in roots(package, by_path.keys().copied()) {
            match by_path.get(root.as_str()) {
                Some(source) => reach(source, true, &by_path, &mut reached),
                None => missing.push(format!("{}/Cargo.toml: there is no {root}", package.folder)),
            }
        }
    }
    let forgotten = by_path.keys().filter(|path| !reached.contains(**path)).map(|path| {
        format!("{path}: no target reaches it, so nobody compiles it: list it in Cargo.toml, or `mod` it")
    });
    missing.into_iter().chain(forgotten).collect()
}

/// The root files of a package's targets: those its manifest lists, and those that Cargo finds by itself.
fn roots<'a>(package: &Package, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let manifest = &package.manifest;
    let mut roots = Vec::new();
    let lib = manifest.get("lib").into_iter().collect::<Vec<_>>();
    let lists = ["bin", "test", "example", "bench"].iter().filter_map(|kind| manifest.get(*kind)?.as_array());
    for target in lib.into_iter().chain(lists.flatten()) {
        if let Some(path) = target.get("path").and_then(Value::as_str) {
            roots.push(format!("{}/{path}", package.folder));
        }
    }
    let finds = |key: &str| manifest["package"].get(key) != Some(&Value::Boolean(false));
    for path in all {
        let Some(inside) = path.strip_prefix(&format!("{}/", package.folder)) else { continue };
        let found = match inside.split('/').collect::<Vec<_>>()[..] {
            ["build.rs"] | ["src", "lib.rs"] => true,
            ["src", "main.rs"] | ["src", "bin", _] | ["src", "bin", _, "main.rs"] => finds("autobins"),
            ["tests", _] | ["tests", _, "main.rs"] => finds("autotests"),
            ["examples", _] | ["examples", _, "main.rs"] => finds("autoexamples"),
            ["benches", _] | ["benches", _, "main.rs"] => finds("autobenches"),
            _ => false,
        };
        if found {
            roots.push(path.to_owned());
        }
    }
    roots
}

/// Follows the `mod` declarations of a file. `owns_folder`: its modules lie beside it (a root or a `mod.rs`).
fn reach(source: &Source, owns_folder: bool, all: &BTreeMap<&str, &Source>, reached: &mut BTreeSet<String>) {
    if !reached.insert(source.path.clone()) {
        return;
    }
    let beside = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = if owns_folder { beside } else { source.path.trim_end_matches(".rs") };
    for at in 0..source.tokens.len() {
        if let ["mod", name, ";"] = source.window(at) {
            let candidates =
                [(format!("{folder}/{name}.rs"), false), (format!("{folder}/{name}/mod.rs"), true)];
            for (path, owns_folder) in candidates {
                if let Some(module) = all.get(path.as_str()) {
                    reach(module, owns_folder, all, reached);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, manifest: &str) -> Package {
        Package { folder: folder.to_owned(), manifest: manifest.parse().expect("TOML") }
    }

    #[test]
    fn a_package_outside_of_the_workspace_is_found() {
        let workspace: Table = "[workspace]\nmembers = [\"a\"]".parse().expect("TOML");
        let packages = [package("a", ""), package("b/c", "")];
        assert_eq!(not_members(&workspace, &packages), ["b/c: not a member of the workspace"]);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let packages = [
            package("a", "[lints]\nworkspace = true"),
            package("b", "[package]\nname = \"b\""),
            package("c", "[lints]\nworkspace = false"),
            package("d", "[lints.rust]\nunused = \"warn\""),
        ];
        let found = without_lints(&packages);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "b/Cargo.toml: lacks `[lints] workspace = true`");
    }

    /// Path and text.
    type File = (&'static str, &'static str);

    /// The forgotten among these files, of a package in `p`.
    fn forgotten_of(manifest: &str, files: &[File]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source::parse(&format!("p/{path}"), text)).collect();
        forgotten(&[package("p", manifest)], &sources)
    }

    #[test]
    fn a_file_that_no_target_reaches_is_found() {
        let listed = "[package]\nautotests = false\n[[test]]\nname = \"t\"\npath = \"t/main.rs\"";
        let cases: [(&str, &[File], &str); 6] = [
            ("[package]", &[("src/lib.rs", "mod a;"), ("src/a.rs", ""), ("src/b.rs", "")], "p/src/b.rs"),
            ("[package]", &[("src/lib.rs", "mod a;"), ("src/a.rs", ""), ("src/a/c.rs", "")], "p/src/a/c.rs"),
            ("[package]", &[("src/lib.rs", "// mod a;"), ("src/a.rs", "")], "p/src/a.rs"),
            (listed, &[("t/main.rs", ""), ("t/case.rs", "")], "p/t/case.rs"),
            (listed, &[("t/main.rs", ""), ("u/main.rs", "")], "p/u/main.rs"),
            (listed, &[("t/main.rs", ""), ("tests/case.rs", "")], "p/tests/case.rs"),
        ];
        for (manifest, files, expected) in cases {
            let found = forgotten_of(manifest, files);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_listed_file_that_does_not_exist_is_found() {
        let found = forgotten_of("[package]\n[[test]]\npath = \"t/main.rs\"", &[("src/lib.rs", "")]);
        assert_eq!(found, ["p/Cargo.toml: there is no p/t/main.rs"]);
    }

    #[test]
    fn a_file_that_a_target_reaches_is_not_found() {
        let files = [
            ("src/lib.rs", "pub mod a; #[cfg(test)] mod tests;"),
            ("src/a/mod.rs", "mod b;"),
            ("src/a/b.rs", "mod c;"),
            ("src/a/b/c.rs", ""),
            ("src/tests.rs", ""),
            ("src/bin/tool.rs", ""),
            ("tests/whole.rs", "mod support;"),
            ("tests/support/mod.rs", ""),
            ("examples/show.rs", ""),
            ("build.rs", ""),
        ];
        assert_eq!(forgotten_of("[package]", &files), [""; 0]);
    }
}
