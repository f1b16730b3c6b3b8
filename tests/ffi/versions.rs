//! The packages for other languages bear the version of the library.

use std::fs;

use crate::support::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every version of the package itself in a text: what stands between `before` and `after`.
fn versions<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0)).collect()
}

#[test]
fn the_packages_for_python_and_node_have_the_version_of_the_workspace() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let version = manifest["workspace"]["package"]["version"].as_str().expect("a text").to_owned();

    let python: toml::Table = read("bindings/python/pyproject.toml").parse().expect("TOML");
    let dynamic = &python["tool"]["setuptools"]["dynamic"]["version"]["attr"];
    assert_eq!(dynamic.as_str(), Some("convoy._version.__version__"));
    assert_eq!(python["project"].get("version"), None, "it would be a second place");
    let module = read("bindings/python/convoy/_version.py");
    assert_eq!(versions(&module, "__version__ = \"", "\""), [&version]);

    let node: serde_json::Value = serde_json::from_str(&read("bindings/node/package.json")).expect("JSON");
    assert_eq!(node["version"].as_str(), Some(&*version));
    assert_eq!(node.get("optionalDependencies"), None, "pack.js names the packages of platforms");
    // Those have no file of their own: they get the version where they are made, and are asked for in that one.
    let pack = read("bindings/node/scripts/pack.js");
    assert_eq!(versions(&pack, "version: ", ","), ["about.version"]);
    assert_eq!(versions(&pack, "[`@convoy/${platform}`]: ", " "), ["about.version"]);

    for (readme, after) in [("bindings/python/README.md", "-py3"), ("bindings/node/README.md", ".tgz")] {
        let named = format!("convoy-{version}{after}");
        assert!(read(readme).contains(&named), "{readme} does not install {named}");
    }
}
