//! Compiling and running C programs against the library of this build.
//!
//! The C compiler is `cc`, which every machine that links Rust programs on Unix has.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use convoy_tests::ScratchRepo;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

/// The folder with the shared library that was built together with this test.
fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    test.parent().expect("in a folder").to_owned()
}

pub(crate) fn library() -> PathBuf {
    let name = format!("{}convoy{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = library_folder().join(name);
    assert!(library.exists(), "there is no {}: run the tests of the whole package", library.display());
    library
}

/// Runs a program that must be there. The library path that Cargo sets is taken away: the programs find the library
/// by themselves.
#[expect(clippy::disallowed_methods, reason = "compilers and C programs can only be run")]
pub(crate) fn run<I: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = I>,
) -> Output {
    let program = program.as_ref();
    Command::new(program)
        .args(arguments)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap_or_else(|error| panic!("install {}, these tests need it: {error}", program.display()))
}

/// What a program printed that has nothing but the environment of a scratch repository; it must succeed.
#[expect(clippy::disallowed_methods, reason = "C programs can only be run")]
pub(crate) fn within<I: AsRef<OsStr>>(
    repo: &ScratchRepo,
    program: &Path,
    arguments: impl IntoIterator<Item = I>,
) -> String {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).env_clear().envs(repo.environment()).output().expect("it was compiled");
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the program printed; it must succeed.
pub(crate) fn printed<I: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = I>,
) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Compiles a C program of `tests/c` against the library of this build.
pub(crate) fn c_program(folder: &Path, name: &str) -> PathBuf {
    compiled("cc", "-std=c99", folder, &format!("{name}.c"))
}

/// The same for C++.
pub(crate) fn cpp_program(folder: &Path, name: &str) -> PathBuf {
    compiled("c++", "-std=c++17", folder, &format!("{name}.cpp"))
}

fn compiled(compiler: &str, standard: &str, folder: &Path, file: &str) -> PathBuf {
    let source = root().join("tests/c").join(file);
    let program = folder.join(file).with_extension("");
    let library_folder = library().parent().expect("in a folder").to_owned();
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(&library_folder);
    let mut arguments: Vec<OsString> =
        [standard, "-pthread", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"].map(Into::into).to_vec();
    arguments.extend([root().join("include").into(), source.into()]);
    arguments.extend(["-o".into(), program.clone().into()]);
    arguments.extend(["-L".into(), library_folder.into(), "-lconvoy".into(), rpath]);
    printed(compiler, arguments);
    program
}
