//! Words in commands that people copy: names are theirs to choose, and a shell must not read more into them.

/// A word as a shell reads it back.
pub fn word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(word("/var/lib/muster"), "/var/lib/muster");
        assert_eq!(word("it's here"), r"'it'\''s here'");
        assert_eq!(word("my idp; rm"), "'my idp; rm'");
        assert_eq!(word(""), "''");
    }
}
