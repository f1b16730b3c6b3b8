//! Whole convoys in repositories that keep files, objects or refs in another form than most. What lands, and what is in
//! the user's checkout then, must be what git alone makes of the same edits.

use std::collections::BTreeMap;
use std::fs;

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy_file, count, events, run, status, task,
};

/// A kind of repository. Its `*.dat` are of the special form.
struct Form {
    /// What tasks and checks know it by where they do otherwise in it.
    name: &'static str,
    /// Arguments of `git init`.
    init: &'static [&'static str],
    /// What git is told of its files; nothing where they are stored as they are.
    attributes: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// The bytes of a text in a worktree.
    outside: fn(&str) -> Vec<u8>,
    /// The bytes that git stores of it.
    inside: fn(&str) -> Vec<u8>,
}

/// One whose files and objects are those of most repositories.
const USUAL: Form =
    Form { name: "usual", init: &[], attributes: "", settings: &[], outside: plain, inside: plain };

/// As Git LFS does it: git stores a pointer. `STORE` is a folder beside the repository.
const POINTERS: Form = Form {
    name: "filter.process",
    attributes: "filter=pointer",
    settings: &[
        ("filter.pointer.process", concat!(env!("CARGO_BIN_EXE_pointer-filter"), " STORE")),
        ("filter.pointer.required", "true"),
    ],
    inside: |_| b"pointer ".to_vec(),
    ..USUAL
};

/// Runs the convoy in each of these forms: a test of its own for each, so that they run side by side.
macro_rules! forms {
    ($($form:ident: $what:expr),* $(,)?) => {
        $(#[test]
        fn $form() {
            super::lands_as_git_alone_would_land_it(&$what);
        })*
    };
}

mod lands_as_git_alone_would_land_it {
    use super::{Form, POINTERS, USUAL, crlf, next_letter, utf16};

    forms! {
        // Its files change their form in the middle of the convoy, as some do in each.
        usual: USUAL,
        pointers: POINTERS,
        clean_and_smudge: Form {
            attributes: "filter=other",
            settings: &[
                ("filter.other.clean", "tr a-z b-za"),
                ("filter.other.smudge", "tr b-za a-z"),
                ("filter.other.required", "true"),
            ],
            inside: |text| text.bytes().map(next_letter).collect(),
            ..USUAL
        },
        encoding: Form { attributes: "text working-tree-encoding=UTF-16LE-BOM", outside: utf16, ..USUAL },
        line_ends: Form { attributes: "text eol=crlf", outside: crlf, ..USUAL },
        sparse: Form { name: "sparse", ..USUAL },
        sha256: Form { init: &["--object-format=sha256"], ..USUAL },
        reftable: Form { name: "reftable", init: &["--ref-format=reftable"], ..USUAL },
    }
}

fn plain(text: &str) -> Vec<u8> {
    text.into()
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into()
}

fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn next_letter(byte: u8) -> u8 {
    match byte {
        b'a'..=b'y' => byte + 1,
        b'z' => b'a',
        other => other,
    }
}

/// What the tasks do, called with a folder of contents and the name of the task. Who finds a file in another form than
/// git writes it fails.
const EDIT: &str = r#"set -e
is() { cmp "$1" "$texts/$2"; }
put() { mkdir -p "$(dirname "$2")"; cp "$texts/$1" "$2"; }
marked() { tr -d '\000' <"$1" | grep -q '^<<<<<<<'; }
texts=$1
case $2 in
left | right)
    if test -e "$texts/$2.done"; then
        marked clash.dat
        put clash.both clash.dat
        # Pointers cannot be merged, all else can.
        if test -e "$texts/filter.process"; then marked shared.dat; put shared.both shared.dat; fi
        is shared.dat shared.both
    else
        is shared.dat shared.base
        is clash.dat clash.base
        put "shared.$2" shared.dat
        put "clash.$2" clash.dat
        touch "$texts/$2.done"
    fi ;;
new)
    if test -e "$texts/thin"; then test ! -e far; fi
    for path in new.dat far/new.dat far/away.dat; do put new $path; done ;;
rules)
    is old.late late.base
    cat "$texts/rules" >>.gitattributes
    put late old.late
    put late new.late ;;
undone)
    is old.late late
    is new.late late ;;
later)
    is old.late late
    is new.late late
    # Nobody changed it but by the rules.
    is still.crlf still
    is shared.dat shared.both
    put later new.late ;;
verify)
    if test -e new.dat; then is new.dat new; fi
    is shared.dat shared.both || is shared.dat shared.left || is shared.dat shared.right || is shared.dat shared.base ;;
esac
"#;

impl Form {
    /// A repository of this form, with what its tasks need beside it; `None` when this git knows no such form.
    fn make(&self) -> Option<ScratchRepo> {
        let repo = ScratchRepo::try_empty("repo", self.init)?;
        let texts = repo.beside("texts");
        fs::create_dir_all(&texts).expect("a folder");
        for (key, value) in self.settings {
            repo.git(["config", key, &value.replace("STORE", texts.to_str().expect("text"))]);
        }
        let (rule, late): (_, fn(&str) -> Vec<u8>) = match self.attributes {
            "" => ("text eol=crlf", crlf),
            attributes => (attributes, self.outside),
        };
        let text = |name: &str, content: Vec<u8>| fs::write(texts.join(name), content).expect("written");
        let shared = |left, right| format!("one\n{left}\nthree\nfour\nfive\nsix\n{right}\neight\n");
        for (side, left, right) in [
            ("base", "two", "seven"),
            ("left", "zwei", "seven"),
            ("right", "two", "sieben"),
            ("both", "zwei", "sieben"),
        ] {
            text(&format!("shared.{side}"), (self.outside)(&shared(left, right)));
            text(&format!("clash.{side}"), (self.outside)(&format!("clash\nof {side}\n")));
        }
        text("new", (self.outside)("new\n"));
        text("late.base", plain("late, by no rule\n"));
        text("late", late("late\n"));
        text("later", late("later\n"));
        text("still", crlf("still\n"));
        text("rules", format!("*.late {rule}\n*.crlf text eol=crlf\n").into());
        text("edit", EDIT.into());
        // For what the tasks do otherwise in some form.
        text(self.name, Vec::new());
        if !self.attributes.is_empty() {
            repo.write(".gitattributes", &format!("*.dat {}\n", self.attributes));
        }
        for folder in ["near", "far"] {
            fs::create_dir(repo.root().join(folder)).expect("a folder");
        }
        for (name, path) in [
            ("shared.base", "shared.dat"),
            ("clash.base", "clash.dat"),
            ("clash.base", "near/by.dat"),
            ("clash.base", "far/away.dat"),
            ("late.base", "old.late"),
        ] {
            fs::copy(texts.join(name), repo.root().join(path)).expect("copied");
        }
        repo.write("still.crlf", "still\n");
        repo.commit("Begin");
        Some(repo)
    }

    /// Leaves `far` out of the checkout, if that is the form.
    fn thin_out(&self, repo: &ScratchRepo) {
        if self.name == "sparse" {
            repo.git(["sparse-checkout", "set", "--cone", "near"]);
            fs::write(repo.beside("texts/thin"), "").expect("written");
        }
    }

    /// The same edits by git alone, in a repository of its own, each in a new worktree.
    fn by_git_alone(&self) -> ScratchRepo {
        let repo = self.make().expect("it could be made before");
        let (texts, root) = (repo.beside("texts").display().to_string(), repo.root().display().to_string());
        let edit = |at: &str, task: &str| {
            let edit = format!("alias.edit=!sh '{texts}/edit' '{texts}' {task}");
            repo.git(["-C", at, "-c", &edit, "edit"]);
            repo.git(["-C", at, "add", "--all"]);
            repo.git(["-C", at, "commit", "--quiet", "--message", task]);
        };
        let edit_apart = |task: &str| {
            let at = repo.beside(task).display().to_string();
            repo.git(["worktree", "add", "--quiet", "-b", task, &at, "main"]);
            edit(&at, task);
        };
        let merge =
            |task: &str| repo.try_git(["merge", "--quiet", "--no-ff", "--no-edit", task]).status.success();
        ["left", "right", "new"].into_iter().for_each(edit_apart);
        assert!(merge("left") && !merge("right"), "the test means them to conflict");
        edit(&root, "right");
        assert!(merge("new"));
        for task in ["rules", "later"] {
            edit_apart(task);
            assert!(merge(task), "{task}");
        }
        self.thin_out(&repo);
        repo
    }
}

/// Everything about a branch and its checkout that is the same however it came about: the tree, the index, the files.
type Outcome = (String, String, BTreeMap<String, Option<Vec<u8>>>);

fn outcome(repo: &ScratchRepo) -> Outcome {
    let listed = repo.git(["ls-files"]);
    let file = |path: &str| (path.to_owned(), fs::read(repo.root().join(path)).ok());
    (repo.oid("main^{tree}"), repo.git(["ls-files", "-t", "--stage"]), listed.lines().map(file).collect())
}

fn lands_as_git_alone_would_land_it(form: &Form) {
    let Some(linked) = form.make() else {
        assert!(form.name == "reftable" && option_env!("CI").is_none(), "git is too old");
        return;
    };
    let by_git_alone = outcome(&form.by_git_alone());
    for (isolation, repo) in [("linked", linked), ("separate", form.make().expect("as before"))] {
        form.thin_out(&repo);
        run_in(form, &repo, isolation);
        assert_eq!(outcome(&repo), by_git_alone, "{isolation}");
    }
}

/// Runs the convoy in a repository of the form.
fn run_in(form: &Form, repo: &ScratchRepo, isolation: &str) {
    let texts = repo.beside("texts");
    let call = |task: &str| format!("sh '{0}/edit' '{0}' {task}", texts.display());
    let edit = |task: &str| format!("sh {}\n", call(task));
    let meet = |own: &str, other: &str| {
        let began = |task: &str| texts.join(format!("{task}.began")).display().to_string();
        format!("{}touch {}\nwait-for {}", edit(own), began(own), began(other))
    };
    // What a gate does to a file is undone before the next one.
    let gates = Value::from(vec!["rm new.late; cp .gitattributes old.late".to_owned(), call("undone")]);
    let tasks = [
        task("left", "", &meet("left", "right")),
        task("right", "", &meet("right", "left")),
        task("new", "", &edit("new")),
        task("rules", &format!("depends_on: [left, right, new], gates: {gates}"), &edit("rules")),
        task("later", "depends_on: [rules]", &edit("later")),
    ];
    let head = format!(
        "concurrency: 3\nworktree: {{isolation: {isolation}}}\ndefaults: {{max_retries: 0}}\n\
         merge: {{verify: [{0}]}}\ngates: [{0}]",
        Value::from(call("verify"))
    );
    let ran = run(repo, &convoy_file(repo, "unusual", &head, &tasks.concat())).run();
    assert_eq!(ran.code, Some(0), "{isolation}: {}{}", ran.stdout, ran.stderr);
    let told = status(repo);
    assert_eq!((&told["status"], &told["published"]), (&"done".into(), &true.into()), "{isolation}");
    assert_eq!(count(&events(repo), "merge_conflict_detected"), 1, "{isolation}");
    assert_landed_once(repo, ["left", "right", "new", "rules", "later"]);
    assert_nothing_left(repo);
    repo.assert_sound_and_clean();
    let stored = repo.try_git(["cat-file", "blob", "main:new.dat"]).stdout;
    assert!(stored.starts_with(&(form.inside)("new\n")), "{stored:?}");
    assert_eq!(repo.root().join("far").exists(), form.name != "sparse", "{isolation}");
}

#[test]
fn conflict_markers_do_not_land_behind_a_pointer() {
    let repo = POINTERS.make().expect("git makes it");
    let rival = |own: &str, other: &str| {
        let [began, other] = [own, other].map(|name| repo.beside(name).display().to_string());
        // Whoever saves a file with its markers has the filter store them, and git a pointer to them.
        let edit = format!("if-conflict append clash.dat more\nunless-conflict write clash.dat {own}");
        task(own, "", &format!("{edit}\ntouch {began}\nwait-for {other}"))
    };
    let tasks = rival("a", "b") + &rival("b", "a");
    let head = "concurrency: 2\ndefaults: {max_retries: 0}";
    run(&repo, &convoy_file(&repo, "markers", head, &tasks)).run().expect_code(1);
    let told = status(&repo);
    assert_eq!((&told["totals"]["done"], &told["totals"]["failed"]), (&1.into(), &1.into()), "{told:#}");
    assert_eq!(count(&events(&repo), "merge_conflict_failed"), 1);
    assert!(["a\n", "b\n"].contains(&repo.read("clash.dat").as_str()), "the one that landed");
    repo.assert_sound_and_clean();
}
