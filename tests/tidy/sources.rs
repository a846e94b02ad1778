//! Checks on single Rust files: length, module docs, the unsafe policy, words in comments.

use crate::lex;
use crate::tree::Source;

/// Lines of code a source file may have; documentation, comments and blank lines do not count.
const LINES_MAX: usize = 400;

/// Words that announce unfinished work.
const BANNED: [&str; 3] = ["FIXME", "XXX", "TODO"];

/// Files that have outgrown the limit.
pub(crate) fn too_long(files: &[Source]) -> Vec<String> {
    let counts = |line: &&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//")
    };
    let lines = |file: &Source| file.text.lines().filter(counts).count();
    let long = files.iter().filter(|file| lines(file) > LINES_MAX);
    long.map(|file| {
        let lines = lines(file);
        let path = &file.path;
        format!("{path}: {lines} lines of code, limit {LINES_MAX}: split it along a noun into two modules")
    })
    .collect()
}

/// Files whose first line is no module documentation.
pub(crate) fn without_module_doc(files: &[Source]) -> Vec<String> {
    let bare = files.iter().filter(|file| !file.text.starts_with("//!"));
    bare.map(|file| {
        format!(
            "{}: begin the file with `//!` and say what it does",
            file.path
        )
    })
    .collect()
}

/// Files with unsafe code that do not say so, or do not name what keeps it sound.
pub(crate) fn unargued_unsafe(files: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let Some(at) = unsafe_offset(&file.code) else {
            continue;
        };
        let place = file.place(at);
        let dense: String = file.code.split_whitespace().collect();
        if !dense.contains("expect(unsafe_code") {
            violations.push(format!(
                "{place}: add `#![expect(unsafe_code, reason = \"...\")]` below the module doc, \
                 or move the unsafe part to a file that has it"
            ));
        }
        if is_test(&file.path) {
            continue;
        }
        let mut doc = file.text.lines().take_while(|line| line.starts_with("//!"));
        if !doc.any(|line| line.trim_end() == "//! # Safety") {
            violations.push(format!(
                "{place}: add a `//! # Safety` section to the module doc that names the \
                 invariants this file keeps"
            ));
        }
    }
    violations
}

/// Unit tests and models: they use unsafe code and keep no invariants for others.
fn is_test(path: &str) -> bool {
    path.starts_with("src/loom/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The first `unsafe` in code that the lint would see: not the type of a function pointer.
fn unsafe_offset(code: &str) -> Option<usize> {
    let is_pointer_type = |at: usize| {
        let mut tail: String = code[at..].split_whitespace().take(6).collect();
        tail = tail.replacen("unsafe", "", 1);
        if let Some(abi) = tail.strip_prefix("extern\"") {
            tail = abi.trim_start_matches('"').to_owned();
        }
        tail.starts_with("fn(")
    };
    lex::word_offsets(code, "unsafe")
        .into_iter()
        .find(|&at| !is_pointer_type(at))
}

/// Comments that contain a banned word.
pub(crate) fn banned_words(files: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for word in BANNED {
            for at in lex::word_offsets(&file.comments, word) {
                let place = file.place(at);
                violations.push(format!(
                    "{place}: `{word}` in a comment: finish the work, or open an issue and \
                     write here what holds today"
                ));
            }
        }
    }
    violations
}

#[test]
fn too_long_file_over_limit_is_reported() {
    let files = [
        Source::new("src/fits.rs", &"mod a;\n".repeat(LINES_MAX)),
        Source::new("src/long.rs", &"mod a;\n".repeat(LINES_MAX + 1)),
    ];
    let violations = too_long(&files);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("src/long.rs: 401 lines"));
}

#[test]
fn without_module_doc_code_first_is_reported() {
    let files = [
        Source::new("src/a.rs", "//! A.\n"),
        Source::new("src/b.rs", "use a;\n//! B.\n"),
    ];
    let violations = without_module_doc(&files);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("src/b.rs"));
}

#[test]
fn unargued_unsafe_missing_attribute_and_section_are_reported() {
    let argued = "//! A.\n//!\n//! # Safety\n//!\n//! INV-A-1.\n\n\
                  #![expect(\n    unsafe_code,\n    reason = \"r\"\n)]\nunsafe fn f() {}\n";
    let harmless = "//! Says unsafe.\ntype F = unsafe extern \"C\" fn(u8);\nlet u = \"unsafe\";\n";
    let files = [
        Source::new("src/argued.rs", argued),
        Source::new("src/harmless.rs", harmless),
    ];
    crate::none(&unargued_unsafe(&files));
    let violations = unargued_unsafe(&[Source::new("src/bare.rs", "//! B.\n\nunsafe { f() }\n")]);
    assert_eq!(violations.len(), 2);
    assert!(violations[0].starts_with("src/bare.rs:3: add `#![expect("));
    assert!(violations[1].starts_with("src/bare.rs:3: add a `//! # Safety`"));
}

#[test]
fn banned_words_in_comment_are_reported_and_in_code_are_not() {
    let text = format!("let {} = 1;\n// a {}: later\n", "TODO", "FIXME");
    let violations = banned_words(&[Source::new("src/a.rs", &text)]);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("src/a.rs:2: `FIXME`"));
}
