//! The laws of the house that can be read off the sources. Each check is a function that is shown to fail on bad
//! input beside it; here they are let loose on the repository.

mod banned;
mod layers;
mod packages;
mod source;

use std::fs;
use std::path::Path;

use packages::Package;
use source::{Source, files, root, sources};

/// Fails with all that was found, a line each.
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn manifest(root: &Path, path: &str) -> toml::Table {
    let text = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn packages(root: &Path) -> Vec<Package> {
    files(root, |name| name == "Cargo.toml")
        .iter()
        .filter_map(|path| {
            let folder = path.strip_suffix("/Cargo.toml")?.to_owned();
            Some(Package { folder, manifest: manifest(root, path) })
        })
        .collect()
}

#[test]
fn lower_modules_do_not_name_higher_ones() {
    let sources = sources(&root());
    let core: Vec<&Source> =
        sources.iter().filter(|source| source.path.starts_with("convoy-core/src/")).collect();
    assert!(core.len() > 20, "the core was not found: only {} files", core.len());
    assert_none(&core.into_iter().flat_map(layers::violations).collect::<Vec<_>>());
}

#[test]
fn nothing_banned_stands_in_the_sources_and_no_file_is_too_long() {
    let sources = sources(&root());
    assert!(sources.len() > 20, "the sources were not found: only {} files", sources.len());
    assert_none(&sources.iter().flat_map(banned::violations).collect::<Vec<_>>());
}

#[test]
fn every_rust_file_is_reached_by_a_target() {
    let root = root();
    assert_none(&packages::forgotten(&packages(&root), &sources(&root)));
}

#[test]
fn every_package_is_in_the_workspace_and_obeys_its_lints() {
    let root = root();
    let packages = packages(&root);
    assert!(packages.len() >= 4, "the packages were not found: only {}", packages.len());
    assert_none(&packages::not_members(&manifest(&root, "Cargo.toml"), &packages));
    assert_none(&packages::without_lints(&packages));
}

#[test]
fn the_core_forbids_unsafe_code() {
    let path = "convoy-core/src/lib.rs";
    let text = fs::read_to_string(root().join(path)).expect("the root of the core");
    assert!(forbids_unsafe(&Source::parse(path, &text)), "{path} lacks `#![forbid(unsafe_code)]`");
}

fn forbids_unsafe(source: &Source) -> bool {
    (0..source.tokens.len())
        .any(|at| source.window(at) == ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"])
}

#[test]
fn a_core_that_does_not_forbid_unsafe_code_is_found() {
    for text in ["", "// #![forbid(unsafe_code)]", "#![deny(unsafe_code)]", "#[forbid(unsafe_code)] mod m {}"]
    {
        assert!(!forbids_unsafe(&Source::parse("lib.rs", text)), "{text}");
    }
}
