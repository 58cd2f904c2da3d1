//! Markdown as far as the checks read it: headings, sections, tables, fenced blocks, links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    path: PathBuf,
    text: String,
}

/// A fenced block: what stands behind its fence, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) info: String,
    pub(super) text: String,
}

/// Every page of the documentation.
pub(super) fn all() -> Vec<Page> {
    let mut pages = vec![Page::read("README.md"), Page::read("CHANGELOG.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(Page::open(path));
            }
        }
    }
    pages
}

/// Whether a text is a code: words of small letters and digits, two or more, joined by underscores.
pub(super) fn is_word(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.contains('_')
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('_').all(part)
}

/// What stands between backticks.
pub(super) fn code_words(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Page {
    /// A page by its path from the root.
    #[track_caller]
    pub(super) fn read(path: &str) -> Self {
        Self::open(root().join(path))
    }

    #[track_caller]
    fn open(path: PathBuf) -> Self {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// The page that a link names.
    #[track_caller]
    pub(super) fn beside(&self, link: &str) -> Self {
        let folder = self.path.parent().expect("a page lies in a folder");
        let path = folder.join(link);
        assert!(path.is_file(), "{} links to {link}, which is not there", self.name());
        Self::open(path)
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_decision(&self) -> bool {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.starts_with(|first: char| first.is_ascii_digit())
    }

    /// The lines outside fenced blocks.
    fn prose(&self) -> impl Iterator<Item = &str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }

    /// The headings of one level, in order.
    pub(super) fn headings(&self, level: usize) -> Vec<String> {
        let prefix = format!("{} ", "#".repeat(level));
        self.prose()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|heading| heading.trim().to_owned())
            .collect()
    }

    /// The anchors of all headings, as the usual renderers make them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter(|line| line.starts_with('#'));
        headings
            .map(|line| {
                let heading = line.trim_start_matches('#').trim().to_lowercase();
                let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }

    /// What stands under a heading of any level, up to the next heading. Empty if there is none.
    pub(super) fn section(&self, heading: &str) -> String {
        let is = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
        let lines = self.text.lines().skip_while(|line| !is(line)).skip(1);
        let mut fenced = false;
        let inside = lines.take_while(|line| {
            fenced ^= line.starts_with("```");
            fenced || !line.starts_with('#')
        });
        inside.collect::<Vec<_>>().join("\n")
    }

    /// The fenced blocks of a text.
    pub(super) fn blocks(text: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for line in text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => {
                    open = Some(Block { info: info.trim().to_owned(), text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    if !block.text.is_empty() {
                        block.text.push('\n');
                    }
                    block.text.push_str(line);
                }
                (None, None) => {}
            }
        }
        assert_eq!(open, None, "a fenced block does not end");
        blocks
    }

    /// The rows of all tables under a heading (`## …`), up to the next heading of that level, without their heads.
    pub(super) fn table_after(&self, heading: &str) -> Vec<Vec<String>> {
        let level = heading.split(' ').next().expect("a heading begins with its level");
        let mut lines = self.prose().skip_while(|line| *line != heading).skip(1);
        let mut rows: Vec<Vec<String>> = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.starts_with(&format!("{level} "))) {
            if line.starts_with("|--") {
                rows.pop();
            } else if let Some(row) = line.strip_prefix('|') {
                rows.push(row.trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
            }
        }
        assert!(!rows.is_empty(), "{} has no table under {heading}", self.name());
        rows
    }

    /// The words in backticks in the last column of every table whose last column has that name.
    pub(super) fn cells_under(&self, column: &str) -> BTreeSet<String> {
        let mut inside = false;
        let mut words = BTreeSet::new();
        for line in self.prose() {
            let Some(row) = line.strip_prefix('|') else {
                inside = false;
                continue;
            };
            let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
            if last == column {
                inside = true;
            } else if inside {
                words.extend(code_words(last));
            }
        }
        words
    }

    /// The targets of all links to files and headings here.
    pub(super) fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for line in self.prose() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            links.extend(targets.filter(|target| !target.contains("://")).map(str::to_owned));
        }
        links
    }
}
