//! Checks on `docs/CONFORMANCE.md`: the tests that it cites exist, and every row says what it must.

use crate::lex;
use crate::tree::Source;

/// What a row may begin its verdict with.
const VERDICTS: [&str; 4] = ["same", "DIFFERENCE", "not applicable", "not built"];

/// Rows without a known verdict, and rows that claim something and show nothing.
pub(crate) fn unargued_rows(path: &str, text: &str) -> Vec<String> {
    let is_row = |line: &str| {
        line.starts_with("| ") && !line.starts_with("| Id ") && !line.starts_with("| --- ")
    };
    let rows = text.lines().enumerate().filter(|(_, line)| is_row(line));
    let faults = rows.filter_map(|(index, row)| Some((index + 1, fault(row)?)));
    faults
        .map(|(number, fault)| format!("{path}:{number}: {fault}"))
        .collect()
}

/// What is wrong with a row, if anything is.
fn fault(row: &str) -> Option<String> {
    let cells: Vec<&str> = row.split(" | ").collect();
    let [_, _, verdict, shown] = cells[..] else {
        return Some("give the row an id, a behaviour, a verdict and what shows it".to_owned());
    };
    let shown = shown.trim_end_matches('|').trim();
    if !VERDICTS.iter().any(|known| verdict.starts_with(known)) {
        Some(format!("begin the verdict with one of {VERDICTS:?}"))
    } else if shown.is_empty() && !verdict.starts_with("not ") {
        Some("name the test that shows it".to_owned())
    } else {
        None
    }
}

/// The tests that a text cites as `file::function`, in backquotes, and that do not exist.
pub(crate) fn missing_tests(path: &str, text: &str, files: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let Some((file, function)) = citation(quoted) else {
                continue;
            };
            if !files.iter().any(|source| defines(source, file, function)) {
                violations.push(format!(
                    "{path}:{}: no file `{file}.rs` has a function `{function}`: correct the \
                     name, or write the test",
                    index + 1
                ));
            }
        }
    }
    violations
}

/// File and function of `file::function`; nothing else is a citation.
fn citation(quoted: &str) -> Option<(&str, &str)> {
    let (file, function) = quoted.split_once("::")?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    (is_name(file) && is_name(function)).then_some((file, function))
}

/// Whether `source` is the file `file.rs` and has a function of this name.
fn defines(source: &Source, file: &str, function: &str) -> bool {
    let stem = source.path.rsplit('/').next().unwrap_or_default();
    stem.strip_suffix(".rs") == Some(file)
        && lex::word_offsets(&source.code, function)
            .into_iter()
            .any(|at| source.code[..at].trim_end().ends_with("fn"))
}

#[test]
fn missing_tests_renamed_function_is_reported() {
    let files = [Source::new(
        "tests/senders/then.rs",
        "#[test]\nfn then_adds() {}\n// fn only_in_a_comment\n",
    )];
    let text = "`then::then_adds` `Sender::connect` `x` `then::..`\n\
                `then::only_in_a_comment` `other::then_adds`\n";
    let violations = missing_tests("docs/C.md", text, &files);
    assert_eq!(violations.len(), 2);
    assert!(violations[0].starts_with("docs/C.md:2: no file `then.rs` has a function `only_in_a"));
    assert!(violations[1].contains("no file `other.rs`"));
}

#[test]
fn unargued_rows_claim_without_test_is_reported() {
    let text = "| Id | Behaviour | sendio | Shown by |\n| --- | --- | --- | --- |\n\
                | A-1 | b | same | `then::then_adds` |\n| A-2 | b | not built | |\n\
                | A-3 | b | same | |\n| A-4 | b | perhaps | `then::then_adds` |\n| A-5 | b |\n";
    let violations = unargued_rows("docs/C.md", text);
    assert_eq!(violations.len(), 3);
    assert!(violations[0].starts_with("docs/C.md:5: name the test"));
    assert!(violations[1].starts_with("docs/C.md:6: begin the verdict"));
    assert!(violations[2].starts_with("docs/C.md:7: give the row"));
}
