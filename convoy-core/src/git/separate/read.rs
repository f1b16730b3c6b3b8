//! Reading what was done with git in a worktree that has a git directory of its own.
//!
//! Everything here was written by whoever worked there: it is read file by file, no link on the way is followed, and
//! what cannot be read counts as not there.

use std::fs;
use std::io::{self, Write as _};
use std::time::SystemTime;

use super::super::call::Files;
use super::super::error::GitError;
use super::super::fast::is_shared_name;
use super::super::plain::Disk;
use super::super::repository::{ObjectFormat, Repository};
use super::super::snapshot::SnapshotRequest;
use super::make::LONGEST_INDEX;
use crate::types::Oid;

/// Longest file with a ref, in bytes.
const LONGEST_REF: u64 = 4096;

/// Longest list of refs, in bytes.
const LONGEST_LIST: u64 = 64 * 1024 * 1024;

/// How many names may lead from one to the next.
const MOST_STEPS: usize = 5;

/// How the names begin of refs that replace objects, in a list of refs.
const REPLACE: &[u8] = b" refs/replace/";

/// How the name of the part of an index begins that others share.
const SHARED: &[u8] = b"sharedindex.";

/// What the extension of an index is called that names such a part.
const LINK: &[u8] = b"link";

/// How often an index may seem to name one, paths of files being what looks so too.
const MOST_NAMED: usize = 10_000;

/// The copy of the index, beside that of the entry.
pub(super) const FOUND_INDEX: &str = "index.found";

/// The git directory of a worktree, as it was found.
struct Found {
    /// The commit that HEAD names, as it stands there.
    head: Option<Oid>,
    index: Option<(Vec<u8>, SystemTime)>,
    /// The part of the index that lies beside it, and its name.
    shared: Option<(Vec<u8>, Vec<u8>)>,
}

impl Repository {
    /// Copies the index of the worktree's own git directory, and brings over the commit that
    /// HEAD there names, with all that it reaches and the repository does not. Gives the commit and its tree; `None`
    /// where HEAD names none, or none that is whole, or one that could not be used. And the newest commit that it and the
    /// base come from, the base where nobody knows; `None` where they have nothing in common.
    pub(in crate::git) async fn read_own(
        &self,
        files: &Files,
        request: &SnapshotRequest,
    ) -> Result<(Option<(Oid, Oid)>, Option<Oid>), GitError> {
        let (ground, format) = (files.clone(), self.inner.format);
        let looked = tokio::task::spawn_blocking(move || {
            let found = look(&ground, format)?;
            keep(&ground, &found)?;
            Ok(found.head)
        });
        let looked = looked.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let Some(head) = looked.map_err(GitError::io("read the git directory in", &files.root))? else {
            return Ok((None, Some(request.base.clone())));
        };
        if head != request.base && !self.bring_commits(files, &head, request).await? {
            return Ok((None, self.own_beginning(files, &head, request).await?));
        }
        let tree = self.tree_of(&head).await?;
        Ok((Some((head, tree)), Some(request.base.clone())))
    }

    /// The operation that is under way there, by the first of these files that is found.
    pub(in crate::git) fn own_unfinished(
        files: &Files,
        tells: &[(&str, &'static str)],
    ) -> Result<Option<&'static str>, GitError> {
        let mut disk = Disk::open(&files.root).map_err(GitError::io("read", &files.root))?;
        let mut is_there = |name: &str| disk.is_folder(format!(".git/{name}").as_bytes()).is_some();
        Ok(tells.iter().find(|(name, _)| is_there(name)).map(|(_, operation)| *operation))
    }
}

fn look(files: &Files, format: ObjectFormat) -> io::Result<Found> {
    let mut disk = Disk::open(&files.root)?;
    let index = disk.read_within(b".git/index", LONGEST_INDEX).ok();
    let shared = index.as_ref().and_then(|(index, _)| shared(&mut disk, index, format));
    Ok(Found { head: head(&mut disk, format), index, shared })
}

/// The part of an index that it shares with others: there may be any number of such files, of which it names one.
fn shared(disk: &mut Disk, index: &[u8], format: ObjectFormat) -> Option<(Vec<u8>, Vec<u8>)> {
    let is_one = |name: &Vec<u8>| name.starts_with(SHARED);
    if !disk.names(b".git").ok()?.iter().any(is_one) {
        return None;
    }
    // The id stands behind the name of the extension and its length.
    let length = format.zero().len() / 2;
    let named = index.windows(LINK.len() + 4 + length).filter(|part| part.starts_with(LINK));
    let names = named.map(|part| {
        let id: String = part[LINK.len() + 4..].iter().map(|byte| format!("{byte:02x}")).collect();
        [SHARED, id.as_bytes()].concat()
    });
    names.take(MOST_NAMED).find_map(|name| {
        let (content, _) = disk.read_within(&[b".git/", &name[..]].concat(), LONGEST_INDEX).ok()?;
        Some((name, content))
    })
}

/// Whether HEAD is what git would take for one.
pub(super) fn is_head(disk: &mut Disk, format: ObjectFormat) -> bool {
    let text =
        disk.read_within(b".git/HEAD", LONGEST_REF).ok().and_then(|(text, _)| String::from_utf8(text).ok());
    text.is_some_and(|text| match text.trim_end().strip_prefix("ref:") {
        Some(name) => is_shared_name(name.trim_start()),
        None => is_id(text.trim_end(), format),
    })
}

fn is_id(text: &str, format: ObjectFormat) -> bool {
    text.len() == format.zero().len() && Oid::new(text).is_ok()
}

/// The commit that HEAD names.
pub(super) fn head(disk: &mut Disk, format: ObjectFormat) -> Option<Oid> {
    let mut name = "HEAD".to_owned();
    for _ in 0..MOST_STEPS {
        let text = match disk.read_within(format!(".git/{name}").as_bytes(), LONGEST_REF) {
            Ok((text, _)) => String::from_utf8(text).ok()?,
            Err(_) => packed(disk, &name)?,
        };
        let text = text.trim_end();
        let Some(next) = text.strip_prefix("ref:") else {
            return is_id(text, format).then(|| Oid::new(text).ok())?;
        };
        next.trim_start().clone_into(&mut name);
        if !is_shared_name(&name) {
            return None;
        }
    }
    None
}

/// What a list of refs has for a name.
fn packed(disk: &mut Disk, name: &str) -> Option<String> {
    let (list, _) = disk.read_within(b".git/packed-refs", LONGEST_LIST).ok()?;
    let list = String::from_utf8_lossy(&list);
    let found = list.lines().filter_map(|line| line.split_once(' ')).find(|(_, other)| *other == name)?;
    Some(found.0.to_owned())
}

/// The list of refs without those that replace an object; `None` where it has none of them. One that cannot be read
/// counts as empty.
pub(super) fn without_replacements(disk: &mut Disk) -> Option<Vec<u8>> {
    disk.is_folder(b".git/packed-refs")?;
    let Ok((list, _)) = disk.read_within(b".git/packed-refs", LONGEST_LIST) else { return Some(Vec::new()) };
    let (mut kept, mut is_replacement) = (Vec::new(), false);
    for line in list.split_inclusive(|&byte| byte == b'\n') {
        // What a tag leads to stands in a line of its own behind it.
        if !line.starts_with(b"^") {
            is_replacement = line.windows(REPLACE.len()).any(|part| part == REPLACE);
        }
        if !is_replacement {
            kept.extend_from_slice(line);
        }
    }
    (kept.len() != list.len()).then_some(kept)
}

/// Writes what was found of the index beside that of the entry.
fn keep(files: &Files, found: &Found) -> io::Result<()> {
    let write = |name: &std::ffi::OsStr, content: &[u8], time: Option<SystemTime>| {
        let path = files.git_dir.join(name);
        remove(&path)?;
        let mut file = fs::File::create_new(&path)?;
        file.write_all(content)?;
        // git tells by it which entries may have changed unseen within one tick.
        time.map_or(Ok(()), |time| file.set_modified(time))
    };
    if let Some((name, content)) = &found.shared {
        write(std::os::unix::ffi::OsStrExt::from_bytes(name), content, None)?;
    }
    match &found.index {
        Some((content, time)) => write(FOUND_INDEX.as_ref(), content, Some(*time)),
        None => remove(&files.git_dir.join(FOUND_INDEX)),
    }
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
