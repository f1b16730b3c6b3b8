//! The number of the interface changes exactly when something other than an addition was made to it.
//!
//! `convoy-ffi/abi.txt` is what the header says today, `convoy-ffi/abi-baseline.txt` what was promised under the number in
//! its first line.

use std::fs;

use crate::support::root;

/// What hosts were compiled against, by kind.
#[derive(Debug, Default)]
struct Interface {
    number: u32,
    /// `sizeof` and `offsetof`, by what they are of.
    numbers: Vec<(String, u64)>,
    /// Functions, plain types and statuses, one text each.
    statements: Vec<String>,
    /// Structures and enumerations: their members in order.
    bodies: Vec<(String, Vec<String>)>,
}

impl Interface {
    fn read(text: &str) -> Self {
        let (mut read, mut declared) = (Self::default(), String::new());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["abi", number] => read.number = number.parse().expect("a number"),
                [kind @ ("sizeof" | "offsetof"), of, number] => {
                    read.numbers.push((format!("{kind} {of}"), number.parse().expect("a number")));
                }
                ["status", ..] => read.statements.push(line.to_owned()),
                _ => {
                    declared.push_str(line);
                    declared.push(' ');
                }
            }
        }
        let opening = "extern \"C\" {";
        read.declarations(&declared.replace(opening, "").replace("}  // extern \"C\"", ""));
        read
    }

    /// Takes the declarations apart where they end.
    fn declarations(&mut self, text: &str) {
        let (mut depth, mut statement) = (0_usize, String::new());
        for letter in text.chars() {
            statement.push(letter);
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ';' if depth == 0 => self.statement(std::mem::take(&mut statement).trim()),
                _ => {}
            }
        }
        assert_eq!(statement.trim(), "", "a declaration without an end");
    }

    fn statement(&mut self, text: &str) {
        let Some((head, rest)) = text.split_once('{') else {
            return self.statements.push(text.to_owned());
        };
        let (body, _) = rest.rsplit_once('}').expect("a body ends");
        let members = body.split([';', ',']).map(str::trim).filter(|member| !member.is_empty());
        // Arguments of a member that is a function are parts of it: what is compared is the row of all of them.
        self.bodies.push((head.trim().to_owned(), members.map(str::to_owned).collect()));
    }
}

/// What a program that was compiled against `promised` could stumble over in `today`.
fn broken(promised: &str, today: &str) -> Vec<String> {
    let (promised, today) = (Interface::read(promised), Interface::read(today));
    if today.number > promised.number {
        return Vec::new();
    }
    let mut broken = Vec::new();
    if today.number < promised.number {
        broken.push(format!("the number went back from {}", promised.number));
    }
    for (of, was) in &promised.numbers {
        let is = today.numbers.iter().find(|(known, _)| known == of).map(|(_, is)| *is);
        // Structures that say their own size may grow at their end.
        let structure = of.strip_prefix("sizeof ").unwrap_or_default();
        let member = format!("offsetof {structure}.struct_size");
        let grows = today.numbers.iter().any(|(known, _)| *known == member);
        if !is.is_some_and(|is| is == *was || (grows && is > *was)) {
            broken.push(format!("{of} was {was} and is {is:?}"));
        }
    }
    for statement in promised.statements.iter().filter(|statement| !today.statements.contains(statement)) {
        broken.push(format!("gone or changed: {statement}"));
    }
    for (head, members) in &promised.bodies {
        let now = today.bodies.iter().find(|(known, _)| known == head).map(|(_, members)| members);
        if !now.is_some_and(|now| now.starts_with(members) || is_enumeration(head) && has_all(now, members)) {
            broken.push(format!("other members than before: {head}"));
        }
    }
    broken
}

fn is_enumeration(head: &str) -> bool {
    head.starts_with("enum ")
}

fn has_all(now: &[String], before: &[String]) -> bool {
    before.iter().all(|member| now.contains(member))
}

#[test]
fn the_number_of_the_interface_rises_with_every_change_but_an_addition() {
    let read = |file: &str| fs::read_to_string(root().join("convoy-ffi").join(file)).expect(file);
    let (promised, today) = (read("abi-baseline.txt"), read("abi.txt"));
    let broken = broken(&promised, &today);
    let advice = "raise CONVOY_ABI_VERSION, and copy convoy-ffi/abi.txt to convoy-ffi/abi-baseline.txt";
    assert!(broken.is_empty(), "not only additions were made: {advice}\n{broken:#?}");
    let number = |text: &str| Interface::read(text).number;
    assert_eq!(number(&promised), number(&today), "a new number has a new baseline: {advice}");
}

const PROMISED: &str = "abi 1\nsizeof grows 16\noffsetof grows.struct_size 0\nsizeof fixed 8\nstatus OK 0\n\n\
                        enum status : int32_t { OK = 0, BAD = 1, };\ntypedef struct fixed { char *data;\n} fixed;\n\
                        typedef struct grows { size_t struct_size;\nvoid (*call)(void *data, size_t len);\n} grows;\n\
                        extern \"C\" { int f(const char *text, size_t len);\n}  // extern \"C\" ";

#[test]
fn additions_are_told_from_other_changes() {
    assert_eq!(broken(PROMISED, PROMISED), [""; 0]);
    let additions = [
        ("int f(", "int g(void);\nint f("),
        ("status OK 0", "status OK 0\nstatus NEW 2"),
        ("BAD = 1,", "BAD = 1, NEW = 2,"),
        ("OK = 0, BAD", "OK = 0, BETWEEN = 5, BAD"),
        ("size_t len);\n} grows;", "size_t len);\nvoid (*more)(void *data);\n} grows;"),
        ("sizeof grows 16", "sizeof grows 24"),
    ];
    for (from, to) in additions {
        let today = PROMISED.replace(from, to);
        assert_ne!(today, PROMISED);
        assert_eq!(broken(PROMISED, &today), [""; 0], "{from} -> {to}");
    }
    let others = [
        ("int f(const char *text, size_t len);", ""),
        ("const char *text", "char *text"),
        ("int f(const char *text, size_t len)", "int f(const char *text, size_t len, int more)"),
        ("BAD = 1", "BAD = 2"),
        ("BAD = 1,", ""),
        ("status OK 0", "status OK 1"),
        ("sizeof fixed 8", "sizeof fixed 16"),
        ("sizeof grows 16", "sizeof grows 8"),
        ("void *data, size_t len", "void *data, int len"),
        ("{ size_t struct_size;", "{ size_t first;\nsize_t struct_size;"),
        ("abi 1", "abi 0"),
    ];
    for (from, to) in others {
        let today = PROMISED.replace(from, to);
        assert_ne!(today, PROMISED);
        assert_ne!(broken(PROMISED, &today), [""; 0], "{from} -> {to}");
        let raised = today.replace("abi 1", "abi 2").replace("abi 0", "abi 2");
        assert_eq!(broken(PROMISED, &raised), [""; 0], "with a new number it may be: {from} -> {to}");
    }
}
