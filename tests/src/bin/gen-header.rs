//! Writes the C header from the sources of `convoy-ffi`: to `include/convoy.h`, or to the file named as the only
//! argument.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut arguments = std::env::args_os().skip(1);
    let target = arguments.next().map_or_else(|| root.join("include/convoy.h"), PathBuf::from);
    if arguments.next().is_some() {
        return Err("usage: gen-header [FILE]".into());
    }

    let ffi = root.join("convoy-ffi");
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml"))?;
    let mut header = Vec::new();
    cbindgen::Builder::new().with_crate(&ffi).with_config(config).generate()?.write(&mut header);
    std::fs::write(&target, header).map_err(|error| format!("cannot write {}: {error}", target.display()))?;
    Ok(())
}
