//! The file: is it ours, and the connections to it.
//!
//! The file is only ever opened by SQLite itself. Closing any other descriptor of it would drop the
//! locks that this process holds through SQLite.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::medium;
use super::schema::{APPLICATION_ID, STEPS, migrate};
use crate::store::StoreError;

/// How long a write waits for another process that writes; each transaction takes milliseconds.
const BUSY: Duration = Duration::from_secs(20);

const OPENING: &str = "open its file";

/// The connections of one handle.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
}

/// Opens the file and makes it where there is none.
pub(super) fn connect(path: &Path) -> Result<Connections, StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(medium(OPENING))?;
    // One at a time: to switch a new file to its journal mode, nobody else may be reading it. The lock
    // goes when the descriptor is dropped.
    let alone = File::open(folder).map_err(medium(OPENING))?;
    alone.lock().map_err(medium(OPENING))?;

    let empty = match fs::metadata(path) {
        Ok(found) if found.len() > 0 => {
            inspect(path)?;
            false
        }
        Ok(_) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(medium(OPENING)(error)),
    };
    let mut writer = open(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    if empty {
        // Before anything is written; the files beside it take its mode over.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(medium(OPENING))?;
    }
    migrate(&mut writer, STEPS)?;
    journal(&writer).map_err(medium(OPENING))?;
    let reader = open(path, OpenFlags::empty())?;
    reader.pragma_update(None, "query_only", true).map_err(medium(OPENING))?;
    Ok(Connections { writer, reader })
}

pub(super) fn open(path: &Path, more: OpenFlags) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let db = Connection::open_with_flags(path, flags).map_err(medium(OPENING))?;
    db.busy_timeout(BUSY).map_err(medium(OPENING))?;
    db.set_prepared_statement_cache_capacity(128);
    // SQLite opens a file that may not be written for reading only, and says nothing.
    if db.is_readonly("main").map_err(medium(OPENING))? {
        let error = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
        return Err(medium("open its file for writing")(error));
    }
    Ok(db)
}

/// Every commit is on the disk when it is answered; readers do not wait for writers.
fn journal(writer: &Connection) -> rusqlite::Result<()> {
    let mode: String = writer.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidQuery);
    }
    writer.pragma_update(None, "synchronous", "FULL")?;
    // After a burst the journal shrinks again.
    writer.query_row("PRAGMA journal_size_limit = 67108864", (), |_| Ok(()))
}

/// Refuses a file that is not ours, without touching it or what lies beside it.
fn inspect(path: &Path) -> Result<(), StoreError> {
    let number = |name: &str| -> rusqlite::Result<u32> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(immutable(path), flags)?;
        // Where a process ended while the journal was copied back, the first page may name more pages than
        // the file has so far; only with this set is it read all the same. Nothing can be written here.
        db.pragma_update(None, "writable_schema", true)?;
        db.query_row(&format!("PRAGMA {name}"), (), |row| row.get(0))
    };
    let foreign = |what: String| {
        Err(StoreError::Foreign(format!(
            "{} is no store of this engine, but {what}; it was left as it is. Move it away, or choose \
             another state directory",
            path.display()
        )))
    };
    match number("application_id") {
        Ok(APPLICATION_ID) => Ok(()),
        Ok(id) => {
            let version = number("user_version").map_err(medium(OPENING))?;
            foreign(format!("a file of another program (SQLite application id {id}, version {version})"))
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            foreign("a file of another program (not SQLite)".to_owned())
        }
        Err(error) => Err(medium(OPENING)(error)),
    }
}

/// The URI under which SQLite reads the bare file: no lock, no journal, no recovery.
fn immutable(path: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut uri = b"file:".to_vec();
    // A relative path stays one; two slashes at the start would begin a host.
    for (at, byte) in path.as_os_str().as_bytes().iter().enumerate() {
        match byte {
            b'/' if at == 1 && uri.ends_with(b"/") => {}
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(*byte),
            other => uri.extend(format!("%{other:02x}").into_bytes()),
        }
    }
    uri.extend(b"?immutable=1");
    std::ffi::OsString::from_vec(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(path: &Path) -> String {
        let before = fs::read(path).expect("reads");
        let Err(StoreError::Foreign(message)) = connect(path).map(|_| ()) else { panic!("it was opened") };
        assert_eq!(fs::read(path).expect("reads"), before);
        let beside = fs::read_dir(path.parent().expect("a folder")).expect("reads").count();
        assert_eq!(beside, 1, "something was left beside it");
        message
    }

    #[test]
    fn a_file_of_another_program_is_left_alone() {
        for name in ["convoy.db", "a b?c#d%20.db"] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join(name);
            let db = Connection::open(&path).expect("opens");
            db.execute_batch("CREATE TABLE convoy (id TEXT); PRAGMA user_version = 9;").expect("is made");
            drop(db);
            let message = foreign(&path);
            assert!(message.contains("version 9") && message.contains("Move it away"), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_left_alone() {
        for text in ["x".to_owned(), "name: a convoy file\n".repeat(100)] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("convoy.db");
            fs::write(&path, text).expect("writes");
            let message = foreign(&path);
            assert!(message.contains("another program"), "{message}");
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("convoy.db");
        let db = connect(&path).expect("opens").writer;
        db.pragma_update(None, "user_version", 99).expect("set");
        drop(db);
        let refused = connect(&path).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Newer { found: 99, .. })), "{refused:?}");
    }

    #[test]
    fn a_file_whose_journal_was_copied_back_in_part_is_opened_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("convoy.db");
        drop(connect(&path).expect("is made"));
        let alive = connect(&path).expect("opens").writer;
        alive.execute_batch("CREATE TABLE t AS SELECT randomblob(1000000) AS x").expect("grows");
        let pages: u32 = alive.query_row("PRAGMA page_count", (), |row| row.get(0)).expect("counts");

        // As if the process had been killed here, after the first page was copied and before the last.
        let killed = folder.path().join("killed");
        fs::create_dir(&killed).expect("a folder");
        let mut bare = fs::read(&path).expect("reads");
        assert!(bare.len() < pages as usize * 4096);
        bare[28..32].copy_from_slice(&pages.to_be_bytes());
        fs::write(killed.join("convoy.db"), bare).expect("writes");
        fs::copy(folder.path().join("convoy.db-wal"), killed.join("convoy.db-wal")).expect("copies");
        let again = connect(&killed.join("convoy.db")).expect("opens").reader;
        let length = again.query_row("SELECT length(x) FROM t", (), |row| row.get(0));
        assert_eq!(length, Ok(1_000_000));
    }

    #[test]
    fn only_the_owner_may_read_what_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b/convoy.db");
        let made = connect(&path).expect("opens");
        made.writer.execute_batch("CREATE TABLE other (x)").expect("a write");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        for name in ["convoy.db", "convoy.db-wal", "convoy.db-shm"] {
            assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
        }
        drop(made);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_of_the_medium() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("writes");
        let refused = connect(&file.join("convoy.db")).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Medium { .. })), "{refused:?}");
        let refused = connect(folder.path()).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Medium { .. } | StoreError::Foreign(_))), "{refused:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn opening_a_file_again_keeps_the_locks_of_those_who_have_it_open() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("convoy.db");
        let first = connect(&path).expect("opens");
        let file = format!(":{} ", fs::metadata(&path).expect("is there").ino());
        // The list is read in pieces: while other tests take and release their locks it may leave one out or
        // show one twice, but never shows one that nobody holds.
        let shown = || {
            let all = fs::read_to_string("/proc/locks").expect("reads");
            all.lines().any(|line| line.contains(&file))
        };
        let locked = || (0..100).any(|_| shown());
        first.writer.execute_batch("CREATE TABLE other (x)").expect("a write");
        assert!(locked(), "a connection in this journal mode holds a lock");
        drop(connect(&path).expect("opens"));
        assert!(locked(), "closing another handle dropped it");
        drop(first);
        assert!(!locked(), "nobody has the file open any more");
    }
}
