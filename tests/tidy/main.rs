//! The house rules that no compiler lint checks, as tests.
//!
//! Each rule is a function from the repository's files to a list of violations; each violation says
//! what to do instead. Beside the run over the repository every rule has a test in its own file that
//! shows it a violation, so that a rule which has gone blind fails too.
//!
//! `cargo test --test tidy` runs them alone.

mod citations;
mod documents;
mod lex;
mod modules;
mod sources;
mod tree;

use tree::Source;

/// Fails with all violations at once.
#[track_caller]
fn none(violations: &[String]) {
    let count = violations.len();
    assert!(
        count == 0,
        "{count} to put right:\n  {}",
        violations.join("\n  ")
    );
}

/// The files of the library; never empty, so that no rule passes for lack of input.
fn library() -> Vec<Source> {
    let files = tree::sources(&["src"]);
    assert!(
        files.iter().any(|file| file.path == "src/lib.rs"),
        "src/lib.rs was not found"
    );
    files
}

#[test]
fn src_file_lengths_stay_within_limit() {
    none(&sources::too_long(&library()));
}

#[test]
fn src_files_open_with_module_doc() {
    none(&sources::without_module_doc(&library()));
}

#[test]
fn src_unsafe_files_say_so_and_name_their_invariants() {
    none(&sources::unargued_unsafe(&library()));
}

#[test]
fn src_files_are_reached_from_lib() {
    none(&modules::unreached(&library(), &["src/lib.rs"]));
}

#[test]
fn src_imports_follow_the_layers() {
    none(&modules::wrong_arrows(&library()));
}

#[test]
fn test_files_are_reached_from_their_binaries() {
    let files = tree::sources(&["tests"]);
    none(&modules::unreached(&files, &modules::test_roots(&files)));
}

#[test]
fn comments_have_no_banned_words() {
    none(&sources::banned_words(&tree::sources(&[
        "src", "tests", "examples", "bench",
    ])));
}

#[test]
fn document_links_resolve() {
    let roots = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(str::to_owned);
    let exists = |path: &str| tree::root().join(path).exists();
    let documents = roots.into_iter().chain(tree::files("docs", ".md"));
    let texts = documents.filter_map(|path| tree::read(&path).map(|text| (path, text)));
    let broken = texts.flat_map(|(path, text)| documents::broken_links(&path, &text, &exists));
    none(&broken.collect::<Vec<_>>());
}

#[test]
fn changelog_begins_with_unreleased() {
    let text = tree::read("CHANGELOG.md").expect("CHANGELOG.md exists");
    none(&documents::changelog_gaps(&text));
}

#[test]
fn safety_document_lists_exactly_the_cited_invariants() {
    if let Some(safety) = tree::read("docs/SAFETY.md") {
        none(&documents::invariant_gaps(&library(), &safety));
    }
}

#[test]
fn conformance_document_cites_tests_that_exist() {
    let path = "docs/CONFORMANCE.md";
    let text = tree::read(path).expect("the document exists");
    none(&citations::unargued_rows(path, &text));
    let testing = "docs/TESTING.md";
    let files = tree::sources(&["src", "tests"]);
    none(&citations::missing_tests(path, &text, &files));
    let text = tree::read(testing).expect("the document exists");
    none(&citations::missing_tests(testing, &text, &files));
}

#[test]
fn documents_have_one_title() {
    let documents = tree::files("docs", ".md")
        .into_iter()
        .chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]);
    let texts = documents.filter_map(|path| tree::read(&path).map(|text| (path, text)));
    let wrong = texts.flat_map(|(path, text)| documents::wrong_titles(&path, &text));
    none(&wrong.collect::<Vec<_>>());
}

#[test]
fn scripts_are_executable_and_stop_at_errors() {
    none(&documents::careless_scripts());
}

#[test]
fn tracked_files_stay_small() {
    none(&documents::oversized_files());
}
