//! The environment of an agent program.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::spec::EnvValue;

/// Tells an agent program that it runs inside another one of its kind.
const NESTED: [&str; 3] = ["CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_REMOTE_SESSION_ID"];

/// Points git at another repository, or changes what it finds there, than the directory it runs in
/// says. Others, such as `GIT_AUTHOR_NAME`, may be there on purpose.
const ELSEWHERE: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_QUARANTINE_PATH",
];

/// Takes out of a host's own environment what no agent may inherit: the marks of an agent that the
/// host itself runs in, and every `GIT_` variable. Hosts call this before they pass the environment
/// on; variables that a spec sets are added afterwards, and stay.
pub fn scrub(env: &mut BTreeMap<String, String>) {
    env.retain(|name, _| !NESTED.contains(&name.as_str()) && !name.starts_with("GIT_"));
}

/// Whether a variable of the host would mislead a program that runs in a worktree: it points git at another
/// repository, or says that the program runs inside another agent.
pub fn misleads(name: &str) -> bool {
    NESTED.contains(&name) || ELSEWHERE.contains(&name)
}

/// The environment of the program: the request's, less what misleads agents and git, with the
/// profile's own on top.
///
/// # Errors
/// The name of a variable that the profile takes from `env` and that is not there.
pub(super) fn environment(
    env: &BTreeMap<String, String>,
    profile: &BTreeMap<String, EnvValue>,
) -> Result<BTreeMap<OsString, OsString>, String> {
    let mut all: BTreeMap<OsString, OsString> = env
        .iter()
        .filter(|(name, _)| !misleads(name))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    for (name, value) in profile {
        let value = match value {
            EnvValue::Literal(text) => text,
            EnvValue::FromEnv(variable) => env.get(variable).ok_or_else(|| variable.clone())?,
        };
        all.insert(name.into(), value.into());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_misleads_is_taken_out_and_the_profile_is_added() {
        let env = map(&[
            ("PATH", "/bin"),
            ("CLAUDECODE", "1"),
            ("GIT_DIR", "/x"),
            ("GIT_AUTHOR_NAME", "A"),
            ("KEY", "k"),
        ]);
        let profile = BTreeMap::from([
            ("API_KEY".to_owned(), EnvValue::FromEnv("KEY".to_owned())),
            ("PATH".to_owned(), EnvValue::Literal("/opt".to_owned())),
        ]);
        let got = environment(&env, &profile).expect("complete");
        let wanted = [("API_KEY", "k"), ("GIT_AUTHOR_NAME", "A"), ("KEY", "k"), ("PATH", "/opt")];
        assert_eq!(got, wanted.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        let missing = BTreeMap::from([("A".to_owned(), EnvValue::FromEnv("NOT_SET".to_owned()))]);
        assert_eq!(environment(&env, &missing), Err("NOT_SET".to_owned()));
    }

    #[test]
    fn a_scrubbed_host_environment_has_no_git_variable() {
        let mut env = map(&[
            ("GIT_AUTHOR_NAME", "A"),
            ("GITHUB_TOKEN", "t"),
            ("CLAUDE_CODE_SESSION_ID", "s"),
            ("HOME", "/h"),
        ]);
        scrub(&mut env);
        assert_eq!(env, map(&[("GITHUB_TOKEN", "t"), ("HOME", "/h")]));
    }
}
