//! Commits that people read are signed where the repository asks for it.

use std::os::unix::fs::PermissionsExt as _;

use crate::git::testing::{Scratch, both_backends, options};
use crate::git::{GitError, Repository};

both_backends! {
    landings_are_signed_as_was_configured_when_the_repository_was_opened,
    a_signer_that_fails_is_an_error_that_says_so,
    keys_of_ssh_sign_too,
}

/// A program that signs anything, as gpg would, and writes down that it did.
fn signer(s: &Scratch, name: &str, script: &str) -> String {
    let path = s.outside().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    path.to_str().expect("UTF-8").to_owned()
}

const GPG: &str = r#"cat > /dev/null
echo "$*" >> "${0%/*}/signed"
printf '\n[GNUPG:] SIG_CREATED \n' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\nof %s\n-----END PGP SIGNATURE-----\n' "${0##*/}""#;

async fn landings_are_signed_as_was_configured_when_the_repository_was_opened() {
    let s = Scratch::new().await;
    let base = s.commit("base").await;
    let tree = s.repo.empty_tree();
    let parents = std::slice::from_ref(&base);
    let plain = s.repo.commit_landing(&tree, parents, "land").await.expect("writes");
    assert!(!s.git(&["cat-file", "commit", plain.as_str()]).await.contains("gpgsig"));
    let (good, evil) = (signer(&s, "good", GPG), signer(&s, "evil", GPG));
    s.git(&["config", "commit.gpgSign", "true"]).await;
    s.git(&["config", "gpg.program", &good]).await;
    s.git(&["config", "user.signingKey", "the key"]).await;
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    // What an agent writes there afterwards does not count.
    s.git(&["config", "gpg.program", &evil]).await;
    s.git(&["config", "gpg.openpgp.program", &evil]).await;
    s.git(&["config", "gpg.format", "ssh"]).await;
    s.git(&["config", "gpg.ssh.program", &evil]).await;
    s.git(&["config", "gpg.ssh.defaultKeyCommand", &evil]).await;
    s.git(&["config", "commit.gpgSign", "false"]).await;
    let signed = repo.commit_landing(&tree, parents, "land").await.expect("writes");
    let text = s.git(&["cat-file", "commit", signed.as_str()]).await;
    assert!(text.contains("gpgsig -----BEGIN PGP SIGNATURE-----\n of good\n"), "{text}");
    let calls = std::fs::read_to_string(s.outside().join("signed")).expect("it ran");
    assert!(calls.contains("the key") && calls.lines().count() == 1, "{calls}");
    // Snapshots of agents' work are nobody's signature.
    let work = repo.commit_tree(&tree, parents, "work", None).await.expect("writes");
    assert!(!s.git(&["cat-file", "commit", work.as_str()]).await.contains("gpgsig"));
    // A line of commits is signed one by one.
    s.git(&["checkout", "-q", base.as_str()]).await;
    s.write("a", "1\n").commit("first").await;
    let work = s.write("b", "1\n").commit("second").await;
    let tree = s.repo.tree_of(&work).await.expect("reads");
    let made = repo.replay(&base, &work, &tree, "Key: value").await.expect("replays").expect("a line");
    for commit in [made.to_string(), format!("{made}~1")] {
        let text = s.git(&["cat-file", "commit", &commit]).await;
        assert!(text.contains("gpgsig ") && text.contains("author A Person <p@example.org>"), "{text}");
    }
}

async fn a_signer_that_fails_is_an_error_that_says_so() {
    let s = Scratch::new().await;
    let base = s.commit("base").await;
    let fails = signer(&s, "fails", "cat > /dev/null; echo 'no secret key' >&2; exit 2");
    s.git(&["config", "commit.gpgSign", "true"]).await;
    s.git(&["config", "gpg.program", &fails]).await;
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    let tree = repo.empty_tree();
    let error = repo.commit_landing(&tree, std::slice::from_ref(&base), "land").await.expect_err("it fails");
    assert!(matches!(&error, GitError::NotSigned { detail } if detail.contains("no secret key")), "{error}");
    assert!(error.to_string().contains("commit.gpgSign"), "{error}");
    let missing = crate::types::Oid::new("1".repeat(40)).expect("valid");
    let error = repo.commit_landing(&missing, &[base], "land").await.expect_err("no such tree");
    assert!(matches!(error, GitError::Failed { .. }), "that is no matter of signatures: {error}");
}

async fn keys_of_ssh_sign_too() {
    let s = Scratch::new().await;
    let base = s.commit("base").await;
    // ssh-keygen -Y sign -n git -f KEY FILE writes FILE.sig.
    let script = r#"for last; do :; done
printf -- '-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n' > "$last.sig""#;
    let ssh = signer(&s, "ssh", script);
    for (key, value) in [
        ("commit.gpgSign", "1"),
        ("gpg.format", "ssh"),
        ("gpg.ssh.program", &ssh),
        ("user.signingKey", "/key"),
    ] {
        s.git(&["config", key, value]).await;
    }
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    let made = repo.commit_landing(&repo.empty_tree(), &[base], "land").await.expect("signs");
    assert!(s.git(&["cat-file", "commit", made.as_str()]).await.contains("BEGIN SSH SIGNATURE"));
}
