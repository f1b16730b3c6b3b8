//! Whether a repository is one that the fast way knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::git::call::{Call, Place, Program};
use crate::git::error::GitError;
use crate::git::merge::ATTR_SOURCE;
use crate::git::open::Version;
use crate::git::repository::ObjectFormat;

/// What git says is configured: each key, its section and its last part in small letters, with all its values. One
/// that stands alone, without `=`, is `true`.
#[derive(Debug, Clone, Default)]
pub(in crate::git) struct Settings(BTreeMap<String, Vec<String>>);

/// Extensions of the format of a repository that change neither objects nor refs, apart from those checked for.
const HARMLESS: [&str; 5] =
    ["objectformat", "refstorage", "worktreeconfig", "relativeworktrees", "preciousobjects"];

/// What is known of a repository that the fast way works on.
#[derive(Debug)]
pub(in crate::git) struct Probed {
    pub(super) settings: Settings,
    /// See [`Fast`](super::Fast).
    pub(super) attributes: Option<Vec<PathBuf>>,
    /// See there.
    pub(super) zone: Option<TimeZone>,
}

impl Settings {
    pub(in crate::git) fn read(list: &[u8]) -> Self {
        let mut settings = BTreeMap::<String, Vec<String>>::new();
        for field in list.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
            let field = String::from_utf8_lossy(field);
            let (key, value) = field.split_once('\n').unwrap_or((&field, "true"));
            settings.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Self(settings)
    }

    /// The value that counts.
    pub(in crate::git) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.last().map(String::as_str)
    }

    /// Whether a switch is on; `None` when it is not set or no switch.
    pub(in crate::git) fn switch(&self, key: &str) -> Option<bool> {
        match self.get(key)?.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "" | "false" | "no" | "off" => Some(false),
            number => number.parse::<i64>().ok().map(|number| number != 0),
        }
    }

    /// The values that count of `<section>.<anything>.<name>`, or of all of a section for an empty name.
    fn all<'a>(&'a self, section: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(key, values)| {
            let rest = key.strip_prefix(section)?.strip_prefix('.')?;
            let wanted = name.is_empty() || rest.rsplit_once('.').is_some_and(|(_, last)| last == name);
            Some((rest, values.last()?.as_str())).filter(|_| wanted)
        })
    }
}

/// Asks the git program once what is configured, and says whether objects and refs are of the kind that the fast way
/// knows: ids by SHA-1, refs in files, everything here and belonging to nobody else.
pub(in crate::git) async fn probe(
    program: &Program,
    common: &Path,
    format: ObjectFormat,
    version: Version,
) -> Result<Option<Probed>, GitError> {
    if format != ObjectFormat::Sha1 {
        return Ok(None);
    }
    let call = Call::new(&Place::GitDir(common.to_owned()), "config").args(["--list", "-z"]);
    let settings = Settings::read(&program.ok(call).await?.stdout);
    if !is_known(&settings, common) {
        return Ok(None);
    }
    let attributes = attributes(program, common, version).await?;
    Ok(Some(Probed { settings, attributes, zone: super::ident::zone(&program.env) }))
}

/// The files that git reads attributes from when it compares trees, whether they are there or not; `None` when this
/// git cannot tell, or reads those of a worktree too.
async fn attributes(
    program: &Program,
    common: &Path,
    version: Version,
) -> Result<Option<Vec<PathBuf>>, GitError> {
    let mut files = vec![common.join("info/attributes")];
    if version < ATTR_SOURCE {
        return Ok(None);
    }
    for name in ["GIT_ATTR_SYSTEM", "GIT_ATTR_GLOBAL"] {
        let answer = program.run(Call::new(&Place::GitDir(common.to_owned()), "var").arg(name)).await?;
        match answer.code {
            0 => files.push(answer.path()?),
            // There is none.
            1 => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(files))
}

fn is_known(settings: &Settings, common: &Path) -> bool {
    let absent = |name: &str| std::fs::symlink_metadata(common.join(name)).is_err();
    // Objects may be missing that git would fetch.
    let all_here = settings.all("remote", "promisor").all(|(_, value)| value == "false")
        && settings.get("extensions.partialclone").is_none();
    // Files would have to be made readable for others.
    let private =
        settings.get("core.sharedrepository").is_none_or(|value| matches!(value, "umask" | "false" | "0"));
    all_here
        && private
        && settings.get("extensions.refstorage").is_none_or(|value| value == "files")
        && settings.all("extensions", "").all(|(key, _)| HARMLESS.contains(&key))
        && absent("reftable")
        && absent("objects/info/alternates")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::read(text.replace('|', "\0").as_bytes())
    }

    #[test]
    fn settings_are_read_as_git_lists_them() {
        let found =
            settings("core.bare\nfalse|core.alone|remote.a.b.promisor\ntrue|core.bare\nyes|x.n\n7|x.e\n|");
        assert_eq!((found.get("core.bare"), found.get("core.alone")), (Some("yes"), Some("true")));
        assert_eq!((found.get("x.e"), found.get("core.absent")), (Some(""), None));
        assert_eq!(found.all("remote", "promisor").collect::<Vec<_>>(), [("a.b.promisor", "true")]);
        assert_eq!(found.all("x", "").count(), 2);
    }

    #[test]
    fn only_a_repository_of_the_usual_kind_is_known() {
        let dir = tempfile::tempdir().expect("a folder");
        for known in [
            "",
            "core.bare\nfalse|",
            "extensions.objectformat\nsha1|extensions.refstorage\nfiles|extensions.worktreeconfig\ntrue|",
            "core.sharedrepository\numask|",
            "remote.origin.promisor\nfalse|",
        ] {
            assert!(is_known(&settings(known), dir.path()), "{known}");
        }
        for unknown in [
            "extensions.refstorage\nreftable|",
            "extensions.partialclone\norigin|",
            "extensions.compatobjectformat\nsha256|",
            "extensions.somethingnew\ntrue|",
            "core.sharedrepository\ngroup|",
            "remote.origin.promisor\ntrue|",
            "remote.origin.promisor|",
        ] {
            assert!(!is_known(&settings(unknown), dir.path()), "{unknown}");
        }
        for file in ["reftable", "objects/info/alternates"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(&path).expect("creates");
            assert!(!is_known(&settings(""), dir.path()), "{file}");
            std::fs::remove_dir(&path).expect("removes");
        }
    }
}
