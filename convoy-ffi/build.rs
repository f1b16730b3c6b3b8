//! How the shared library is linked.
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "this is how Cargo and a build script talk"
)]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Threads of the library may run when a program closes it: it stays where their code is.
    let elf = ["linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly", "illumos", "solaris"];
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| elf.contains(&&*os)) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
