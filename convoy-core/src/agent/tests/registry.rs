//! Names, and the choice of an adapter where none is named.

use super::*;
use crate::agent::{CliAdapter, ProbeContext, Registry, canonical_name};
use crate::spec::CliProfile;

fn profiles(all: &[(&str, &str)]) -> BTreeMap<String, CliProfile> {
    let profile = |program: &str| CliProfile { command: vec![program.to_owned()], ..CliProfile::default() };
    all.iter().map(|(name, program)| ((*name).to_owned(), profile(program))).collect()
}

#[test]
fn a_name_means_one_adapter_or_an_error_that_helps() {
    let registry =
        Registry::built_in().with_profiles(&profiles(&[("mine", "sh"), ("codex", "sh")])).expect("valid");
    for (name, wanted) in
        [("claude", "claude"), ("claude-code", "claude"), ("mine", "mine"), ("codex", "codex")]
    {
        assert_eq!(registry.get(name).map(|adapter| adapter.name().to_owned()).expect(name), wanted);
    }
    let error = |name: &str| registry.get(name).map(|_| ()).expect_err(name).to_string();
    assert_eq!(
        error("gemini"),
        "not supported yet: adapter gemini; define it under `adapters:` as a command line profile"
    );
    assert_eq!(
        error("clade"),
        "unknown adapter clade: there are claude, codex, mine; others are defined under `adapters:` of the convoy file, or \
         given to the engine by its program"
    );
    assert!(registry.get("").is_err());
    assert_eq!(canonical_name("claude-code"), "claude");
    let broken = BTreeMap::from([("mine".to_owned(), CliProfile::default())]);
    assert!(Registry::empty().with_profiles(&broken).is_err());
}

#[test]
fn a_spec_may_define_a_built_in_name_anew() {
    let registry = Registry::built_in().with_profiles(&profiles(&[("claude-code", "sh")])).expect("valid");
    let adapter = registry.get("claude").expect("there");
    assert!(!adapter.capabilities().resume, "it is the spec's");
    assert!(Registry::built_in().get("claude").expect("there").capabilities().resume);
    assert_eq!(CliAdapter::claude().name(), "claude");
}

#[tokio::test]
async fn the_first_usable_adapter_is_detected() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = ProbeContext {
        env: request(folder.path(), 0).env,
        cwd: folder.path().to_owned(),
        timeout: Duration::from_secs(60),
        cancel: CancellationToken::new(),
    };
    type Case<'a> = (&'a [(&'a str, &'a str)], Result<&'a str, &'a [&'a str]>);
    let cases: [Case<'_>; 4] = [
        (&[("a-first", "sh"), ("codex", "sh"), ("copilot", "sh")], Ok("copilot")),
        (&[("a-first", "sh"), ("copilot", "missing-1")], Ok("a-first")),
        (
            &[("b", "missing-1"), ("claude", "missing-2")],
            Err(&["`missing-2` is not installed", "`missing-1` is not installed"]),
        ),
        (&[], Err(&["install Claude Code", "`adapters:`"])),
    ];
    for (adapters, wanted) in cases {
        let registry = Registry::empty().with_profiles(&profiles(adapters)).expect("valid");
        match (registry.detect(&context).await, wanted) {
            (Ok(adapter), Ok(name)) => assert_eq!(adapter.name(), name),
            (Err(error), Err(parts)) => {
                let error = error.to_string();
                assert!(parts.iter().all(|part| error.contains(part)), "{error}");
            }
            (got, wanted) => {
                panic!("{adapters:?}: {:?} is not {wanted:?}", got.map(|adapter| adapter.name().to_owned()))
            }
        }
    }
}
