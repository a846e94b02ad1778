//! Checks on everything that is not Rust: links, the changelog, named invariants, scripts, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::modules::normalised;
use crate::tree::{self, Source};

/// The largest file that git may track.
const TRACKED_BYTES_MAX: u64 = 200 * 1024;

/// Links in a Markdown text that point to files which do not exist.
pub(crate) fn broken_links(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut violations = Vec::new();
    for (number, line) in prose_lines(text) {
        for target in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let target = target.0.split(['#', ' ']).next().unwrap_or_default();
            let is_remote = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !is_remote && !exists(&normalised(&format!("{dir}/{target}")))
            {
                violations.push(format!(
                    "{path}:{number}: link to `{target}`: no such file: correct the path, \
                     relative to {path}, or drop the link"
                ));
            }
        }
    }
    violations
}

/// The lines of a Markdown text outside fenced blocks, with `inline code` removed.
fn prose_lines(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let prose: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((index + 1, prose.join("_")));
        }
    }
    lines
}

/// Documents that do not have exactly one title, in their first line.
pub(crate) fn wrong_titles(path: &str, text: &str) -> Vec<String> {
    let lines = prose_lines(text);
    let titles = lines.iter().filter(|(_, line)| line.starts_with("# "));
    if titles.count() == 1 && text.starts_with("# ") {
        return Vec::new();
    }
    vec![format!(
        "{path}: begin the document with one `# Title`; its sections have `##` and more"
    )]
}

/// What a changelog must have for the next change to find its place.
pub(crate) fn changelog_gaps(text: &str) -> Vec<String> {
    let first = text
        .lines()
        .find(|line| line.starts_with("## "))
        .unwrap_or_default();
    if first.trim_start_matches("## ").trim_matches(['[', ']']) == "Unreleased" {
        return Vec::new();
    }
    vec![format!(
        "CHANGELOG.md: first section is `{first}`: put `## Unreleased` above it"
    )]
}

/// The invariant names (`INV-AREA-1`) of a text, each with where it stands first.
pub(crate) fn invariants(path: &str, text: &str, names: &mut BTreeMap<String, String>) {
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("INV-") {
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            let tail = &line[at..];
            let len = tail.find(|c| !is_name(c)).unwrap_or(tail.len());
            let name = tail[..len].trim_end_matches('-');
            let is_family = tail[len..].starts_with('*');
            if name.len() > "INV-".len() && !is_family {
                names
                    .entry(name.to_owned())
                    .or_insert_with(|| format!("{path}:{}", index + 1));
            }
        }
    }
}

/// Invariants that are cited and not listed, or listed and cited nowhere.
pub(crate) fn invariant_gaps(files: &[Source], safety: &str) -> Vec<String> {
    let (mut cited, mut listed) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        invariants(&file.path, &file.text, &mut cited);
    }
    invariants("docs/SAFETY.md", safety, &mut listed);
    let unlisted = cited.iter().filter(|(name, _)| !listed.contains_key(*name));
    let unlisted = unlisted.map(|(name, place)| {
        format!("{place}: {name} is not in docs/SAFETY.md: add a line for it, or cite another")
    });
    let uncited = listed.iter().filter(|(name, _)| !cited.contains_key(*name));
    let uncited = uncited.map(|(name, place)| {
        format!("{place}: no source file cites {name}: cite it where it is kept, or remove it")
    });
    unlisted.chain(uncited).collect()
}

/// Scripts that cannot be started, or that go on after a failed command.
pub(crate) fn careless_scripts() -> Vec<String> {
    let mut violations = Vec::new();
    for path in tree::files("scripts", "")
        .into_iter()
        .chain([".ci/run".to_owned()])
    {
        let Some(text) = tree::read(&path) else {
            continue;
        };
        let metadata = tree::root()
            .join(&path)
            .metadata()
            .expect("read a script's mode");
        if metadata.permissions().mode() & 0o111 == 0 {
            violations.push(format!("{path}: not executable: `chmod +x {path}`"));
        }
        let is_shell = text
            .lines()
            .next()
            .is_some_and(|line| line.ends_with("bash"));
        if is_shell && !text.lines().any(|line| line == "set -euo pipefail") {
            violations.push(format!(
                "{path}: add `set -euo pipefail` below the header comment"
            ));
        }
    }
    violations
}

/// Files tracked by git above the limit; none outside a checkout or without git.
pub(crate) fn oversized_files() -> Vec<String> {
    let listing = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(tree::root())
        .output();
    let Some(listing) = listing.ok().filter(|listing| listing.status.success()) else {
        return Vec::new();
    };
    let names = String::from_utf8(listing.stdout).expect("tracked file names are UTF-8");
    let names: BTreeSet<&str> = names.split_terminator('\0').collect();
    let size = |name: &str| {
        tree::root()
            .join(name)
            .symlink_metadata()
            .map_or(0, |m| m.len())
    };
    let large = names
        .into_iter()
        .filter(|name| size(name) > TRACKED_BYTES_MAX);
    large
        .map(|name| {
            let bytes = size(name);
            format!(
                "{name}: {bytes} bytes, limit {TRACKED_BYTES_MAX}: generate it, or keep it \
                 outside the repository"
            )
        })
        .collect()
}

#[test]
fn broken_links_missing_file_is_reported() {
    let text = "[a](../README.md#top) [b](gone.md) [c](https://example.org/x) [d](#here)\n\
                `[e](no.md)`\n```text\n[f](no.md)\n```\n[g](sub/there.md)\n";
    let exists = |path: &str| ["README.md", "docs/sub/there.md"].contains(&path);
    let violations = broken_links("docs/A.md", text, &exists);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("docs/A.md:1: link to `gone.md`"));
}

#[test]
fn wrong_titles_none_late_or_two_are_reported() {
    crate::none(&wrong_titles("a.md", "# A\n\n## B\n\n```sh\n# C\n```\n"));
    for text in ["## A\n", "\n# A\n", "# A\n# B\n"] {
        assert_eq!(wrong_titles("a.md", text).len(), 1, "{text:?}");
    }
}

#[test]
fn changelog_gaps_release_on_top_is_reported() {
    crate::none(&changelog_gaps(
        "# Changelog\n\n## [Unreleased]\n## 0.1.0\n",
    ));
    crate::none(&changelog_gaps("# Changelog\n\n## Unreleased\n"));
    assert_eq!(
        changelog_gaps("# Changelog\n\n## 0.1.0\n## Unreleased\n").len(),
        1
    );
    assert_eq!(changelog_gaps("# Changelog\n").len(), 1);
}

#[test]
fn invariant_gaps_both_directions_are_reported() {
    let files = [Source::new(
        "src/a.rs",
        "//! INV-OP-1, INV-OP-2.\n// see INV-SLOT-* and INV-\n",
    )];
    let violations = invariant_gaps(&files, "- INV-OP-1: x\n- INV-CTX-1: y\n");
    assert_eq!(violations.len(), 2);
    assert!(violations[0].starts_with("src/a.rs:1: INV-OP-2 is not in"));
    assert!(violations[1].starts_with("docs/SAFETY.md:2: no source file cites INV-CTX-1"));
}
