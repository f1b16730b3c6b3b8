//! Whatever the text is: no panic, every problem within the text, and what is valid stays the same when
//! it is written out and read again.

use convoy_core::plan::{check, check_bytes};
use convoy_core::spec::{Problem, canonical, decode};
use proptest::prelude::*;

const SEED: &str = include_str!("../../tests/opencastle-0.27/00-full.yml");

/// Whether a place is within a text, or right behind its end.
fn is_within(text: &str, problem: &Problem) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let Some(line) = lines.get(problem.line as usize - 1) else {
        return problem.line as usize == lines.len() + 1 && problem.column == 1;
    };
    problem.column >= 1 && problem.column as usize <= line.chars().count() + 1
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let checked = check(text);
    for problem in &checked.problems {
        prop_assert!(is_within(text, problem), "{problem}\n{text:?}");
    }
    prop_assert!(checked.problems.is_sorted_by_key(|p| (p.line, p.column)));
    let broken = checked.problems.iter().any(Problem::is_error);
    prop_assert_eq!(checked.spec.is_none(), broken);
    prop_assert_eq!(checked.plan.is_none(), broken);
    if let Some(spec) = &checked.spec {
        let mut bare = spec.as_ref().clone();
        bare.unsupported.clear();
        let written = canonical(spec);
        let again = check(&written);
        prop_assert_eq!(again.spec.as_deref(), Some(&bare), "{}", written);
        prop_assert!(again.problems.iter().all(|p| !p.is_error()));
        prop_assert_eq!(canonical(&bare), written);
    }
    Ok(())
}

/// Pieces of YAML and of the format, in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "name: n\n",
        "version: 1\n",
        "tasks:\n",
        "  - id: a\n",
        "    prompt: p\n",
        "    depends_on: [a, b]\n",
        "    files: [src, src/*]\n",
        "defaults: {timeout: 5m}\n",
        "&a ",
        "*a",
        "<<: ",
        "- ",
        "? ",
        ": ",
        "|",
        ">-\n",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "  ",
        "\t",
        "#",
        "---\n",
        "...\n",
        "!!str ",
        "!x ",
        "%YAML 1.2\n",
        "true",
        "3",
        "1e1",
        "~",
        "é😀",
        "\u{feff}",
        "\r\n",
        "\r",
        "\0",
        "\u{85}",
        "\u{2028}",
        "env: ",
        "adapters: ",
        "steps: ",
        "x-a: ",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

/// A large valid file with a few places changed.
fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..4usize, "[ -~é\n]{0,6}");
    prop::collection::vec(change, 1..5).prop_map(|changes| {
        let mut text: Vec<char> = SEED.chars().collect();
        for (at, cut, put) in changes {
            let from = at.index(text.len() + 1);
            let to = (from + cut).min(text.len());
            text.splice(from..to, put.chars());
        }
        text.into_iter().collect()
    })
}

/// A valid file of some tasks.
fn valid() -> impl Strategy<Value = String> {
    let task = (
        "[a-zé .~*-]{0,8}",
        "\\PC{1,30}",
        0..5u32,
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::bool::ANY,
    );
    (prop::collection::vec(task, 1..12), 1..512u32, "\\PC{1,12}").prop_map(|(tasks, concurrency, name)| {
        let ids: Vec<String> = tasks.iter().enumerate().map(|(i, (id, ..))| format!("{id}{i}")).collect();
        let tasks: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(i, (_, prompt, retries, dependencies, apart))| {
                let on: Vec<&str> = match i {
                    0 => vec![],
                    _ => dependencies.iter().map(|d| ids[d.index(i)].as_str()).collect(),
                };
                let files = if *apart { format!("src/{i}") } else { format!("./docs\\{i}/*.md") };
                serde_json::json!({"id": ids[i], "prompt": prompt, "max_retries": retries, "depends_on": on, "files": [files], "timeout": format!("{}ms", i + 1), "env": {"A": prompt}})
            })
            .collect();
        serde_json::json!({"name": name, "version": 1, "concurrency": concurrency, "tasks": tasks}).to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        holds(&text)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let checked = check_bytes(&bytes);
        let lossy = String::from_utf8_lossy(&bytes);
        for problem in &checked.problems {
            prop_assert!(is_within(&lossy, problem), "{problem}\n{bytes:?}");
        }
    }

    #[test]
    fn any_pieces_of_yaml_are_read_or_refused(text in soup()) {
        holds(&text)?;
    }

    #[test]
    fn a_file_with_random_changes_is_read_or_refused(text in mutated()) {
        holds(&text)?;
    }

    #[test]
    fn a_valid_file_is_the_same_after_it_is_written_out(text in valid()) {
        let decoded = decode(&text);
        prop_assert!(decoded.spec.is_some(), "{:?}\n{text}", decoded.problems);
        holds(&text)?;
    }
}
