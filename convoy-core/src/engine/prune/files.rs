//! The files of a convoy that goes. Only folders of the engine's own are gone into: whoever worked here may have put links
//! in their places.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::git::delete_tree;

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Size {
    pub(super) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// What is in the place of a folder of a convoy.
#[derive(Debug)]
pub(super) enum Place {
    /// Nothing.
    Nothing,
    /// The folder.
    Folder(PathBuf),
    /// A link or a file, in the place of it or of one above it.
    Other(PathBuf),
}

/// Looks for a folder below the state directory, which itself may be where its owner wants it.
pub(super) fn find(state: &Path, parts: &[&str]) -> Result<Place, Error> {
    let mut path = state.to_owned();
    for part in parts {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Ok(Place::Other(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Nothing),
            Err(error) => return Err(failed("look at", &path, error)),
        }
    }
    Ok(Place::Folder(path))
}

/// Measures what is in a folder; links are not followed.
pub(super) async fn measure(folder: PathBuf) -> Result<Size, Error> {
    on_files(move || {
        let (mut size, mut folders) = (Size::default(), vec![folder]);
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                // Another engine may be at it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|error| failed("list", &folder, error))?,
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed("list", &folder, error))?;
                let Ok(about) = entry.metadata() else { continue };
                if about.is_dir() {
                    folders.push(entry.path());
                } else {
                    size.add(Size { files: 1, bytes: if about.is_file() { about.len() } else { 0 } });
                }
            }
        }
        Ok(size)
    })
    .await
}

/// Deletes a folder of the engine with everything in it, also what was made read-only.
pub(super) async fn delete(folder: &Path) -> Result<(), Error> {
    delete_tree(folder).await.map_err(super::super::git_open_error)
}

/// Runs what waits for files where that may be done.
pub(super) async fn on_files<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let gone = |error| Error::new(ErrorKind::Internal, "files could not be looked at").because(error);
    tokio::task::spawn_blocking(work).await.map_err(gone)?
}

pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> Error {
    let text = format!("cannot {doing} {}; check its permissions", path.display());
    Error::new(ErrorKind::Store, text).because(error)
}
