//! The hosts: programs in four languages, made and run.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use convoy_tests::ScratchRepo;
use tempfile::TempDir;

/// The longest that a process of a scenario may take: one that does not end is a failure, not a test that hangs.
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

/// The library that was built together with this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let name = format!("{}convoy{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = test.with_file_name(name);
    assert!(library.exists(), "there is no {}: run the tests of the whole package", library.display());
    library
}

/// What this machine lacks for a host.
#[derive(Debug)]
pub(crate) struct Missing(String);

/// The host; none where the machine lacks what it needs, which is said, and a failure where everything must run.
pub(crate) fn or_skip(host: Result<Host, Missing>) -> Option<Host> {
    match host {
        Ok(host) => Some(host),
        Err(Missing(what)) if option_env!("CI").is_none() => {
            writeln!(std::io::stderr(), "SKIPPED: {what}").expect("standard error");
            None
        }
        Err(Missing(what)) => panic!("{what}"),
    }
}

/// A program that does jobs.
#[derive(Debug)]
pub(crate) struct Host {
    program: PathBuf,
    before: Vec<OsString>,
    after: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    /// Where it was made.
    _folder: Option<TempDir>,
}

impl Host {
    fn new(program: impl Into<PathBuf>, folder: Option<TempDir>) -> Self {
        Self {
            program: program.into(),
            before: Vec::new(),
            after: Vec::new(),
            env: Vec::new(),
            _folder: folder,
        }
    }

    pub(crate) fn native() -> Self {
        Self::new(env!("CARGO_BIN_EXE_parity-host"), None)
    }

    pub(crate) fn c() -> Result<Self, Missing> {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("host");
        let mut compiler =
            compiler("cc", &["-std=c99", "-pthread", "-Wall", "-Wextra", "-pedantic", "-Werror"]);
        compiler
            .arg("-I")
            .arg(root().join("include"))
            .arg(root().join("tests/parity/host.c"))
            .arg("-o")
            .arg(&program);
        must(compiler.args(linked()), "a C compiler (cc)")?;
        Ok(Self::new(program, Some(folder)))
    }

    /// `way` is `plain` or `asyncio`.
    pub(crate) fn python(way: &str) -> Result<Self, Missing> {
        let python =
            told("python3", &["-c", "import sys; assert sys.version_info >= (3, 9); print(sys.executable)"]);
        let mut host = Self::new(
            python.ok_or_else(|| Missing("the parity tests need Python 3.9 (python3)".into()))?,
            None,
        );
        host.before = vec!["-B".into(), root().join("tests/parity/host.py").into()];
        host.after = vec![way.into()];
        host.env =
            vec![("PYTHONPATH", root().join("bindings/python").into()), ("CONVOY_LIBRARY", library().into())];
        Ok(host)
    }

    pub(crate) fn node() -> Result<Self, Missing> {
        let missing =
            || Missing("the parity tests need Node 18 and its headers (Debian: nodejs, libnode-dev)".into());
        let node = PathBuf::from(told("node", &["-p", "process.execPath"]).ok_or_else(missing)?);
        // Beside the program where it comes from its own distribution; else where Debian has them.
        let headers = node.parent().and_then(Path::parent).map(|folder| folder.join("include/node"));
        let headers = headers.filter(|folder| folder.join("node_api.h").exists()).ok_or_else(missing)?;
        let folder = tempfile::tempdir().expect("a folder");
        let (sources, package) = (root().join("bindings/node"), folder.path().join("node_modules/convoy"));
        for part in ["lib", "build/Release"] {
            fs::create_dir_all(package.join(part)).expect("a folder");
        }
        for entry in fs::read_dir(sources.join("lib")).expect("the package") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), package.join("lib").join(entry.file_name())).expect("a copy");
        }
        fs::copy(sources.join("package.json"), package.join("package.json")).expect("a copy");
        let mut compiler = compiler(
            "c++",
            &["-std=c++17", "-shared", "-fPIC", "-DNAPI_VERSION=8", "-DNODE_GYP_MODULE_NAME=convoy"],
        );
        compiler.arg("-I").arg(headers).arg("-I").arg(root().join("include"));
        for name in ["addon.cc", "build.cc", "call.cc", "channel.cc"] {
            compiler.arg(sources.join("src").join(name));
        }
        compiler.arg("-o").arg(package.join("build/Release/convoy.node"));
        must(compiler.args(linked()), "a C++ compiler (c++)")?;
        let mut host = Self::new(node, Some(folder));
        host.before = vec![root().join("tests/parity/host.js").into()];
        host.env = vec![("NODE_PATH", package.parent().expect("a folder").into())];
        Ok(host)
    }

    /// What it prints while it does a job. `dies`: it must end as by a crash.
    #[expect(clippy::disallowed_methods, reason = "hosts are programs")]
    pub(crate) fn run(&self, repo: &ScratchRepo, job: &Path, dies: bool) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.before).arg(job).args(&self.after);
        command.env_clear().envs(repo.environment()).envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let pid = rustix::process::Pid::from_child(&child);
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || sender.send(child.wait_with_output()));
            let output = receiver.recv_timeout(LONGEST).unwrap_or_else(|_| {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
                receiver.recv().expect("it was killed")
            });
            let output = output.map_err(|error| error.to_string())?;
            let printed = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
            let crashed = output.status.signal() == Some(9);
            if if dies { crashed } else { output.status.success() } {
                return Ok(printed);
            }
            let errors = String::from_utf8_lossy(&output.stderr);
            // The last of it: one that hangs has said enough before.
            let last: Vec<&str> = printed.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            Err(format!(
                "{} ended with {}:\n{errors}\n{}",
                self.program.display(),
                output.status,
                last.join("\n")
            ))
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "compilers can only be run")]
fn compiler(program: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(flags).env_remove("LD_LIBRARY_PATH");
    command
}

/// What links a program with the library.
fn linked() -> Vec<OsString> {
    let folder = library().parent().expect("in a folder").as_os_str().to_owned();
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(&folder);
    vec!["-L".into(), folder, "-lconvoy".into(), rpath]
}

/// Compiles; a compiler that is not there is missing, one that refuses is a failure.
fn must(command: &mut Command, what: &str) -> Result<(), Missing> {
    let output =
        command.output().map_err(|error| Missing(format!("the parity tests need {what}: {error}")))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a program prints, if it is there and succeeds.
#[expect(clippy::disallowed_methods, reason = "where an interpreter is, it says itself")]
fn told(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
