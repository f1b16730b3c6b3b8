//! The events of a convoy as a file of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::driver::store_error;
use super::host::Parts;
use super::query;
use crate::error::{Error, ErrorKind};
use crate::types::ConvoyId;

/// Events that are in memory at once.
const PAGE: usize = 512;

/// Writes what is recorded of a convoy to a new file; how many events that were.
pub(super) async fn export(parts: &Parts, convoy: &ConvoyId, path: &Path) -> Result<u64, Error> {
    // Before there is a file: the convoy exists.
    parts.store.holder(convoy).await.map_err(store_error)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| not_made(path, error))?;
    let written = write(parts, convoy, path, file).await;
    if written.is_err() {
        // What is left would look whole. That it cannot be removed matters less than why it is not.
        drop(fs::remove_file(path));
    }
    written
}

async fn write(parts: &Parts, convoy: &ConvoyId, path: &Path, file: File) -> Result<u64, Error> {
    let mut lines = BufWriter::new(file);
    let (mut after, mut written) = (0, 0);
    loop {
        let page = query::events(parts, convoy, after, PAGE).await?;
        for record in &page {
            let line = record.to_flat_text();
            lines
                .write_all(line.as_bytes())
                .and_then(|()| lines.write_all(b"\n"))
                .map_err(|e| not_written(path, e))?;
            (after, written) = (record.seq, written + 1);
        }
        if page.len() < PAGE {
            let file = lines.into_inner().map_err(|error| not_written(path, error.into_error()))?;
            file.sync_all().map_err(|error| not_written(path, error))?;
            return Ok(written);
        }
    }
}

fn not_made(path: &Path, error: io::Error) -> Error {
    let path = path.display();
    let text = if error.kind() == io::ErrorKind::AlreadyExists {
        format!("{path} is there already: name a new file")
    } else {
        format!("{path} cannot be made: name a file in a folder that can be written to")
    };
    Error::new(ErrorKind::InvalidArgument, text).because(error)
}

fn not_written(path: &Path, error: io::Error) -> Error {
    let text = format!("{} cannot be written; nothing is left of it", path.display());
    Error::new(ErrorKind::Store, text).because(error)
}
