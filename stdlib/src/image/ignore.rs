//! `.dockerignore` by the rules of Docker's own builder (moby/patternmatcher): the last pattern that matches decides, `!`
//! brings back, a pattern that matches a directory matches all below it.

/// The patterns of one file.
#[derive(Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

/// Which patterns a path matched, for what is below it.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

#[derive(Debug)]
struct Pattern {
    /// It began with `!`.
    brings_back: bool,
    text: String,
    glob: Vec<Token>,
}

#[derive(Debug)]
enum Token {
    Char(char),
    /// `?`: one character of a name.
    One,
    /// `*`: any number of characters of a name.
    Many,
    /// `**` before more: any number of whole directories.
    Directories,
    /// `**` at the end: everything.
    All,
    /// `[a-z]`, `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Ignore {
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { patterns: lines.filter_map(|line| Pattern::parse(line.trim())).collect() }
    }

    /// Whether a path, relative to the context and with `/`, is ignored; `parent` is what its directory has matched.
    pub fn ignores(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let path: Vec<char> = path.chars().collect();
        let mut ignored = false;
        let mut matched = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.0.get(index).copied().unwrap_or(false);
            // A pattern that could change nothing is not asked.
            matched[index] = inherited || (pattern.brings_back == ignored && matches(&pattern.glob, &path));
            if matched[index] {
                ignored = !pattern.brings_back;
            }
        }
        (ignored, Matched(matched))
    }

    /// Whether a `!` pattern can bring back anything below an ignored directory.
    pub fn may_bring_back_below(&self, directory: &str) -> bool {
        let inside = format!("{directory}/");
        self.patterns.iter().filter(|pattern| pattern.brings_back).any(|pattern| {
            let text = pattern.text.strip_suffix("/**").unwrap_or(&pattern.text);
            let text = text.strip_suffix("/*").unwrap_or(text);
            text.contains(['*', '?', '[', ']', '^']) || format!("{text}/").starts_with(&inside)
        })
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let (brings_back, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let text = clean(text);
        (!text.is_empty()).then(|| Self { brings_back, glob: glob(&text), text })
    }
}

/// A path without `.`, empty and `..` parts; a leading `/` means the context.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn glob(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (token, length) = match rest {
            ['*', '*', '/', ..] if rest.len() > 3 => (Token::Directories, 3),
            // At the very beginning and before a plain ending, `**` is a suffix match.
            ['*', '*', ending @ ..] if at == 0 && !ending.iter().any(|c| "*?[]\\".contains(*c)) => (Token::All, 2),
            ['*', '*'] | ['*', '*', '/'] => (Token::All, rest.len()),
            ['*', '*', ..] => (Token::Directories, 2),
            ['*', ..] => (Token::Many, 1),
            ['?', ..] => (Token::One, 1),
            ['\\', escaped, ..] => (Token::Char(*escaped), 2),
            ['[', ..] => class(rest).unwrap_or((Token::Char('['), 1)),
            [plain, ..] => (Token::Char(*plain), 1),
            [] => break,
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

/// A character class at the beginning of `text`, and its length.
fn class(text: &[char]) -> Option<(Token, usize)> {
    let negated = text.get(1) == Some(&'^');
    let first = if negated { 2 } else { 1 };
    let end = first + text.get(first..)?.iter().position(|c| *c == ']')?;
    let mut ranges = Vec::new();
    let mut at = first;
    while at < end {
        if at + 2 < end && text[at + 1] == '-' {
            ranges.push((text[at], text[at + 2]));
            at += 3;
        } else {
            ranges.push((text[at], text[at]));
            at += 1;
        }
    }
    Some((Token::Class { negated, ranges }, end + 1))
}

fn matches(glob: &[Token], path: &[char]) -> bool {
    let Some((token, rest)) = glob.split_first() else { return path.is_empty() };
    let one = |fits: fn(&Token, char) -> bool| {
        path.split_first().is_some_and(|(first, after)| fits(token, *first) && matches(rest, after))
    };
    match token {
        Token::Char(_) => one(|token, c| matches!(token, Token::Char(wanted) if *wanted == c)),
        Token::One => one(|_, c| c != '/'),
        Token::Class { .. } => one(|token, c| match token {
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            _ => false,
        }),
        Token::Many => {
            let name = path.iter().position(|c| *c == '/').unwrap_or(path.len());
            (0..=name).any(|taken| matches(rest, &path[taken..]))
        }
        Token::All => rest.is_empty() || (0..=path.len()).any(|taken| matches(rest, &path[taken..])),
        Token::Directories => {
            let after_slash = (0..path.len()).filter(|at| path[*at] == '/').map(|at| at + 1);
            std::iter::once(0).chain(after_slash).any(|taken| matches(rest, &path[taken..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ignore, Matched};

    /// As a walk asks: every directory on the way first.
    fn ignored(patterns: &str, path: &str) -> bool {
        let ignore = Ignore::parse(patterns);
        let mut matched = Matched::default();
        let mut result = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            (result, matched) = ignore.ignores(&path[..end], &matched);
        }
        result
    }

    #[test]
    fn patterns_match_as_docker_matches_them() {
        // pattern, path, ignored
        let cases = [
            ("target", "target", true),
            ("target", "target/debug/app", true),
            ("target", "sub/target", false),
            ("/target/", "target/app", true),
            ("./target", "target", true),
            ("*.log", "a.log", true),
            ("*.log", "logs/a.log", false),
            ("**/*.log", "a.log", true),
            ("**/*.log", "logs/deep/a.log", true),
            ("*/temp*", "some/temporary.txt", true),
            ("*/temp*", "some/dir/temp", false),
            ("*/*/temp*", "some/dir/temp", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("**", "any/thing", true),
            ("docs/**", "docs", false),
            ("docs/**", "docs/a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "ab", false),
            ("**.go", "x/y.go", true),
            ("**/foo", "afoo", false),
            ("[a-c].txt", "b.txt", true),
            ("[^a-c].txt", "b.txt", false),
            ("\\*.txt", "*.txt", true),
            ("\\*.txt", "a.txt", false),
            ("# comment", "# comment", false),
            (" padded ", "padded", true),
            ("a.c", "abc", false),
            ("x/../y", "y", true),
        ];
        for (pattern, path, wanted) in cases {
            assert_eq!(ignored(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let cases = [
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
            ("*\n!src", "src/main.rs", false),
            ("*\n!src", "other/main.rs", true),
            ("node_modules\n!node_modules/keep", "node_modules/keep/a.js", false),
            ("node_modules\n!node_modules/keep", "node_modules/drop/a.js", true),
            ("src\n!src/a\nsrc/a/b", "src/a/b/c", true),
            ("! spaced\n", "spaced", false),
        ];
        for (patterns, path, wanted) in cases {
            assert_eq!(ignored(patterns, path), wanted, "{patterns} {path}");
        }
    }

    #[test]
    fn only_directories_that_may_hold_something_are_entered() {
        let ignore = |patterns| Ignore::parse(patterns);
        assert!(!ignore("node_modules").may_bring_back_below("node_modules"));
        assert!(!ignore("node_modules\n!src/keep").may_bring_back_below("node_modules"));
        assert!(ignore("node_modules\n!node_modules/keep/**").may_bring_back_below("node_modules"));
        assert!(ignore("node_modules\n!**/keep").may_bring_back_below("node_modules"));
    }
}
