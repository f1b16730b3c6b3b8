//! The hosts: how each is built, and how it is asked to read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::Place;
use crate::record::Record;
use crate::{AS_HOST, Outcome};

/// What reading in one way came to.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) way: String,
    events: usize,
    seconds: f64,
}

impl Reading {
    #[expect(clippy::cast_precision_loss, reason = "a number of events is small")]
    pub(crate) fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// A program that reads the events of a convoy in one way or several, and prints a line for each.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    env: Vec<(&'static str, PathBuf)>,
}

impl Host {
    fn new(name: &'static str, program: impl Into<PathBuf>) -> Self {
        Self { name, program: program.into(), arguments: Vec::new(), env: Vec::new() }
    }

    /// Has it read all events of the convoy, in each of its ways.
    pub(crate) fn read(&self, place: &Place, record: &Record) -> Outcome<Vec<Reading>> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        let printed = place.run(command.arg(place.repository()).arg(record.convoy.as_str()))?;
        let mut readings = Vec::new();
        for line in printed.lines() {
            let [way, events, seconds] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(format!("{} printed {line:?}", self.name).into());
            };
            let reading = Reading { way: way.to_owned(), events: events.parse()?, seconds: seconds.parse()? };
            if reading.events != record.events {
                return Err(
                    format!("{}, {way}: {events} of {} events were read", self.name, record.events).into()
                );
            }
            readings.push(reading);
        }
        Ok(readings)
    }
}

/// All hosts that can be had here, the one in Rust first, and why the others cannot.
pub(crate) fn all(place: &Place) -> (Vec<Host>, Vec<String>) {
    let (mut hosts, mut missing) = (Vec::new(), Vec::new());
    for host in [rust(), c(place), cpp(place), python(), node(place)] {
        match host {
            Ok(host) => hosts.push(host),
            Err(why) => missing.push(why.to_string()),
        }
    }
    (hosts, missing)
}

fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn of_repository(path: &str) -> PathBuf {
    sources().join("../..").join(path)
}

/// The shared library that was built together with this program.
fn library() -> Outcome<PathBuf> {
    let name = format!("{}convoy{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let program = std::env::current_exe()?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let library = folder.join("deps").join(&name);
    if !library.exists() {
        return Err(format!("{} is missing: start this program with `cargo run`", library.display()).into());
    }
    Ok(library)
}

fn rust() -> Outcome<Host> {
    let mut host = Host::new("Rust", std::env::current_exe()?);
    host.arguments.push(AS_HOST.into());
    Ok(host)
}

fn c(place: &Place) -> Outcome<Host> {
    Ok(Host::new("C", compiled(place, "cc", &["-std=c99"], "read.c")?))
}

fn cpp(place: &Place) -> Outcome<Host> {
    Ok(Host::new("C++", compiled(place, "c++", &["-std=c++17"], "read.cpp")?))
}

/// Compiles a host.
fn compiled(place: &Place, compiler: &str, flags: &[&str], source: &str) -> Outcome<PathBuf> {
    let library = library()?;
    let folder = library.parent().unwrap_or(Path::new("."));
    let program = place.path(source).with_extension(compiler);
    let mut command = Command::new(compiler);
    command
        .args(flags)
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(of_repository("include"));
    command.arg(sources().join("hosts").join(source)).arg("-o").arg(&program).arg("-L").arg(folder);
    command.arg("-lconvoy").arg(format!("-Wl,-rpath,{}", folder.display()));
    place.run(&mut command).map_err(|error| format!("{source} cannot be compiled: {error}"))?;
    Ok(program)
}

fn python() -> Outcome<Host> {
    let mut host = Host::new("Python", "python3");
    host.arguments.push(sources().join("hosts/read.py").into());
    host.env = vec![
        ("PYTHONPATH", of_repository("bindings/python")),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("CONVOY_LIBRARY", library()?),
    ];
    let version = Command::new("python3").arg("--version").output();
    version.map_err(|error| format!("python3 cannot be started: {error}"))?;
    Ok(host)
}

/// The package for Node is put together as it is installed: the addon beside the library that it loads.
fn node(place: &Place) -> Outcome<Host> {
    let library = library()?;
    let folder = library.parent().unwrap_or(Path::new("."));
    let headers = node_headers(place)?;
    let package = place.path("node_modules/convoy");
    let built = package.join("build/Release");
    std::fs::create_dir_all(&built)?;
    for part in ["lib", "package.json"] {
        place
            .run(Command::new("cp").arg("-r").arg(of_repository("bindings/node").join(part)).arg(&package))?;
    }
    let mut command = Command::new("c++");
    command.args([
        "-std=c++17",
        "-O2",
        "-Wall",
        "-Wextra",
        "-shared",
        "-fPIC",
        "-pthread",
        "-DNAPI_VERSION=8",
    ]);
    command.args(["-fvisibility=hidden", "-I"]).arg(of_repository("include")).arg("-I").arg(headers);
    for entry in std::fs::read_dir(of_repository("bindings/node/src"))? {
        let path = entry?.path();
        command.args((path.extension().is_some_and(|end| end == "cc")).then_some(path));
    }
    command.arg("-o").arg(built.join("convoy.node")).arg("-L").arg(folder).arg("-lconvoy");
    if cfg!(target_os = "macos") {
        command.args(["-undefined", "dynamic_lookup"]);
    }
    command.arg(format!("-Wl,-rpath,{}", folder.display()));
    place.run(&mut command).map_err(|error| format!("the addon for Node cannot be compiled: {error}"))?;
    let script = place.path("read.js");
    std::fs::copy(sources().join("hosts/read.js"), &script)?;
    let mut host = Host::new("Node", "node");
    host.arguments.push(script.into());
    Ok(host)
}

/// The folder with the headers of Node: that of NODE_DIR, or of the program's own distribution.
fn node_headers(place: &Place) -> Outcome<PathBuf> {
    let mut command = Command::new("node");
    let program =
        place.run(command.args(["-p", "process.execPath"])).map_err(|error| format!("no Node: {error}"))?;
    let own = Path::new(program.trim()).parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let folder =
        std::env::var_os("NODE_DIR").map_or_else(|| own.to_owned(), PathBuf::from).join("include/node");
    if !folder.join("node_api.h").exists() {
        let place = folder.display();
        return Err(format!(
            "no headers of Node in {place}: install them (Debian: libnode-dev), or set NODE_DIR"
        )
        .into());
    }
    Ok(folder)
}
