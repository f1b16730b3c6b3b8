//! A filter of git that keeps the content of files in a folder and gives git a pointer to store, as Git LFS does. Called
//! with that folder as `filter.<name>.process`; `gitprotocol-long-running-process(7)` and `gitattributes(5)` tell what is
//! said.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// What a pointer begins with.
const POINTER: &[u8] = b"pointer ";

/// The digits that a packet begins with, which its length counts.
const LENGTH: usize = 4;

/// The longest content of a packet.
const LONGEST: usize = 65516;

fn main() -> io::Result<()> {
    let store = std::env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let greeting = packets()?;
    assert_eq!(greeting.as_deref(), Some(&[b"git-filter-client\n".to_vec(), b"version=2\n".to_vec()][..]));
    say(&[b"git-filter-server\n", b"version=2\n"])?;
    packets()?;
    say(&[b"capability=clean\n", b"capability=smudge\n"])?;
    while let Some(request) = packets()? {
        let content = packets()?.unwrap_or_default().concat();
        let answer = match &request[0][..] {
            b"command=clean\n" => clean(Path::new(&store), content)?,
            _ => smudge(Path::new(&store), content)?,
        };
        say(&[b"status=success\n"])?;
        say(&answer.chunks(LONGEST).collect::<Vec<_>>())?;
        say(&[])?;
    }
    Ok(())
}

/// Stores content and gives its pointer; one that is a pointer already stays.
fn clean(store: &Path, content: Vec<u8>) -> io::Result<Vec<u8>> {
    if content.starts_with(POINTER) {
        return Ok(content);
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(&content);
    let name = format!("{:016x}", hasher.finish());
    // Others may store the same at this moment.
    let new = store.join(format!("{name}-{}", std::process::id()));
    fs::write(&new, &content)?;
    fs::rename(&new, store.join(&name))?;
    Ok([POINTER, name.as_bytes(), b"\n"].concat())
}

/// The content that a pointer stands for; anything else stays as it is.
fn smudge(store: &Path, stored: Vec<u8>) -> io::Result<Vec<u8>> {
    match stored.strip_prefix(POINTER) {
        Some(name) => fs::read(store.join(String::from_utf8_lossy(name).trim_end())),
        None => Ok(stored),
    }
}

/// The packets up to the next flush; `None` at the end of the input.
fn packets() -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut found = Vec::new();
    loop {
        let mut length = [0; 4];
        match io::stdin().read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let length =
            usize::from_str_radix(&String::from_utf8_lossy(&length), 16).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(Some(found));
        }
        let mut content = vec![0; length - LENGTH];
        io::stdin().read_exact(&mut content)?;
        found.push(content);
    }
}

/// Sends packets and a flush.
fn say(packets: &[&[u8]]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for packet in packets {
        write!(out, "{:04x}", packet.len() + LENGTH)?;
        out.write_all(packet)?;
    }
    out.write_all(b"0000")?;
    out.flush()
}
