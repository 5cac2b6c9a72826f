//! Text of other makers, made to fit.

use std::fmt::Write as _;

/// Letters that a cut text may have behind its end.
const ELLIPSIS: char = '…';

/// The text on one line, with single spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The bytes that hexadecimal digits are of.
#[must_use]
pub fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// The text, cut behind a word when it has more than `most` characters; the ellipsis counts.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let ends_with_word = text.chars().nth(most.saturating_sub(1)).is_some_and(char::is_whitespace);
    let head = match kept.rfind(char::is_whitespace) {
        Some(space) if !ends_with_word => kept.get(..space).unwrap_or_default(),
        _ => &kept,
    };
    format!("{}{ELLIPSIS}", head.trim_end_matches(|c: char| c.is_whitespace() || ",;:–-".contains(c)))
}

/// Lower-case words of ASCII letters and digits with hyphens between, at most 80 characters.
#[must_use]
pub fn kebab_case(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(80).collect();
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_behind_a_word() {
        assert_eq!(cut("one two three", 13), "one two three");
        assert_eq!(cut("one two three", 12), "one two…");
        assert_eq!(cut("one two, three", 9), "one two…");
        assert_eq!(cut("one two three", 8), "one two…");
        assert_eq!(cut("abcdefgh", 5), "abcd…");
        assert_eq!(cut("äöü äöü äöü", 8), "äöü äöü…");
    }

    #[test]
    fn words_become_kebab_case() {
        assert_eq!(kebab_case("Content Management Systems (CMS)"), "content-management-systems-cms");
        assert_eq!(kebab_case(" SDG 3"), "sdg-3");
        assert_eq!(kebab_case("⊘"), "");
    }
}
