//! Opening a repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use super::call::{Answer, Call, Place, Program};
use super::error::GitError;
use super::fast::{Fast, probe};
use super::plain::{Model, Plain, Sheets};
use super::repository::{Backend, GitOptions, Identity, Inner, ObjectFormat, Repository, path_of};
use super::separate::Copied;
use super::signing::Signing;
use crate::types::Isolation;

impl Repository {
    /// Opens the repository that `path` is in: a folder of its main or of a linked worktree, or a bare
    /// repository. It may have no commit yet.
    ///
    /// # Errors
    /// No repository, no git program or one older than 2.38, a submodule, a network file system (recognised on
    /// Linux), a linked worktree of a repository whose git directory is not in its main worktree.
    pub async fn open(path: &Path, options: GitOptions) -> Result<Self, GitError> {
        let path = std::path::absolute(path).map_err(GitError::io("find", path))?;
        let path = tokio::fs::canonicalize(&path).await.map_err(GitError::io("find", &path))?;
        let program = Program {
            path: options.program.unwrap_or_else(|| "git".into()),
            env: Program::environment(&options.env),
            timeout: options.timeout,
            lock_wait: options.lock_wait,
            started: AtomicU64::new(0),
        };
        let here = Place::Folder(path.clone());
        let version = version(&program, &here).await?;
        let git_dir = ask(&program, &here, "--git-dir").await?;
        let git_dir = git_dir.success().map_err(|e| no_repository(&path, &e)).and_then(|a| a.path())?;
        let common_dir = ask(&program, &here, "--git-common-dir").await?.success()?.path()?;
        let outer = ask(&program, &here, "--show-superproject-working-tree").await?;
        if outer.code == 0 && !outer.stdout.is_empty() {
            return Err(GitError::Submodule { path, parent: outer.path()? });
        }
        refuse_network(&common_dir)?;
        let main_worktree = main_worktree(&program, &here, &git_dir, &common_dir).await?;
        let format = match ask(&program, &here, "--show-object-format").await?.success()?.line()?.as_str() {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            other => return Err(GitError::unexpected("rev-parse", other.as_bytes())),
        };
        let configured = configured(&program, &here).await?;
        let [author, committer] = identities(&configured, &options.env, &options.fallback_identity);
        let probed = match options.backend {
            Backend::Auto => probe(&program, &common_dir, format, version).await?,
            Backend::Reference => None,
        };
        let start = |probed| Fast::start(common_dir.clone(), options.timeout, probed);
        let fast = probed.map(start).transpose().map_err(GitError::io("start threads for", &common_dir))?;
        let inner = Inner {
            program,
            version,
            git_dir,
            common_dir,
            model: Arc::new(Model::new(main_worktree.as_deref())),
            main_worktree,
            format,
            author,
            committer,
            signing: Signing::of(&configured),
            fast,
            plain: Plain::default(),
            copied: Copied::default(),
            sheets: Sheets::default(),
            synced: Arc::default(),
            pool: OnceLock::new(),
            #[cfg(test)]
            disk: super::testing::SmallDisk::default(),
            noted: Mutex::default(),
            making_room: tokio::sync::Mutex::new(()),
            registering: tokio::sync::Mutex::new(()),
        };
        Ok(Self { inner: Arc::new(inner), cookie: options.cookie, isolation: Isolation::default() })
    }
}

/// A version of git, as far as behaviour depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32);

/// The first that merges in memory.
const LEAST: Version = Version(2, 38);

fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

async fn version(program: &Program, here: &Place) -> Result<Version, GitError> {
    let text = program.ok(Call::new(here, "version")).await?.line()?;
    match parse_version(&text) {
        Some(version) if version >= LEAST => Ok(version),
        Some(_) => Err(GitError::TooOld { found: text.trim_start_matches("git version ").to_owned() }),
        None => Err(GitError::unexpected("version", text.as_bytes())),
    }
}

async fn ask(program: &Program, here: &Place, question: &str) -> Result<Answer, GitError> {
    program.run(Call::new(here, "rev-parse").arg("--path-format=absolute").arg(question)).await
}

fn no_repository(path: &Path, error: &GitError) -> GitError {
    let detail = match error {
        GitError::Failed { stderr, .. } => stderr.trim_start_matches("fatal: ").to_owned(),
        other => other.to_string(),
    };
    GitError::NoRepository { path: path.to_owned(), detail }
}

async fn main_worktree(
    program: &Program,
    here: &Place,
    git_dir: &Path,
    common_dir: &Path,
) -> Result<Option<PathBuf>, GitError> {
    if git_dir == common_dir {
        if ask(program, here, "--is-bare-repository").await?.success()?.line()? == "true" {
            return Ok(None);
        }
        // Inside the git directory there are no files; the worktree list knows where they are.
        let top = ask(program, here, "--show-toplevel").await?;
        if top.code == 0 {
            return top.path().map(Some);
        }
    }
    let list = program.ok(Call::new(here, "worktree").args(["list", "--porcelain", "-z"])).await?;
    let first: Vec<&[u8]> = list.fields().take_while(|field| !field.is_empty()).collect();
    if first.contains(&&b"bare"[..]) {
        return Ok(None);
    }
    let path = first.first().and_then(|field| field.strip_prefix(b"worktree "));
    let path = path.map(path_of).ok_or_else(|| GitError::unexpected("worktree", &list.stdout))?;
    // git takes for it what the git directory is in, or the git directory itself, wherever the files are.
    if is_main(program, &path, common_dir).await? {
        return Ok(Some(path));
    }
    let Place::Folder(from) = here else { return Err(GitError::unexpected("worktree", &list.stdout)) };
    Err(GitError::NoMainWorktree { path: from.clone(), git_dir: common_dir.to_owned() })
}

/// Whether a folder has files of the repository with this git directory, and no linked worktree's.
async fn is_main(program: &Program, folder: &Path, common_dir: &Path) -> Result<bool, GitError> {
    let here = Place::Folder(folder.to_owned());
    for (question, expected) in [("--git-dir", common_dir), ("--show-toplevel", folder)] {
        let answer = ask(program, &here, question).await?;
        if answer.code != 0 || answer.path()? != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is configured of who makes commits and who signs them: keys and values, the one that counts last.
async fn configured(program: &Program, here: &Place) -> Result<Vec<(String, String)>, GitError> {
    let wanted = r"^((user|author|committer)\.(name|email)|user\.signingkey|commit\.gpgsign|gpg\..*)$";
    let answer = program.run(Call::new(here, "config").args(["-z", "--get-regexp", wanted])).await?;
    let entry = |field: &[u8]| {
        let text = String::from_utf8_lossy(field).into_owned();
        // A key that stands alone is switched on.
        let (key, value) = text.split_once('\n').unwrap_or((&text, "true"));
        (key.to_owned(), value.to_owned())
    };
    let mut entries: Vec<_> = answer.fields().map(entry).collect();
    // The last value is the one that calls of this engine get.
    if let Some(at) = entries.iter().rposition(|(key, _)| key == "commit.gpgsign") {
        entries.remove(at);
    }
    Ok(entries)
}

/// Author and committer: the host's variables, else the configuration, else the fallback.
fn identities(
    configured: &[(String, String)],
    env: &BTreeMap<String, String>,
    fallback: &Identity,
) -> [Identity; 2] {
    let known: BTreeMap<&str, &String> =
        configured.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let find = |role: &str, part: &str| {
        let variable = format!("GIT_{}_{}", role.to_uppercase(), part.to_uppercase());
        let configured = |role: &str| known.get(format!("{role}.{part}").as_str()).copied();
        let value = env.get(&variable).or_else(|| configured(role)).or_else(|| configured("user"));
        value.filter(|value| !value.trim().is_empty()).cloned()
    };
    ["author", "committer"].map(|role| match (find(role, "name"), find(role, "email")) {
        (None, None) => fallback.clone(),
        (name, email) => Identity {
            name: name.unwrap_or_else(|| fallback.name.clone()),
            email: email.unwrap_or_else(|| fallback.email.clone()),
        },
    })
}

#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<(), GitError> {
    // The numbers are the kernel's (statfs(2)); 32 bits of them count.
    let kinds = [
        (0x6969_u32, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x5346_414f, "AFS"),
        (0x7375_7245, "CODA"),
        (0x00c3_6400, "CEPH"),
    ];
    // A file system that does not tell is taken for a local one.
    let Ok(found) = rustix::fs::statfs(path) else { return Ok(()) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the magic number has 32 bits"
    )]
    let magic = found.f_type as u32;
    match kinds.iter().find(|(number, _)| *number == magic) {
        Some((_, kind)) => Err(GitError::NetworkFileSystem { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_path: &Path) -> Result<(), GitError> {
    Ok(())
}
