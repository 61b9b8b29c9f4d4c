//! The embedded model: counting words of finance.
//!
//! Definition  a word of good or bad counts 1, times 1.5 behind an intensifier or 0.5 behind a diminisher among the two words before it. A negation among the
//!             three words before it, no punctuation between, turns good into bad whole, and bad into good by half (what is not bad is not yet good). The
//!             score is (P − N) / (P + N)
//! None where  no word of good or bad stands in the text
//! Source      categories, and negation over three words, as in Loughran and McDonald, "When is a liability not a liability?", Journal of Finance 66 (2011). The word
//!             list is our own and much shorter: sentiment.txt beside this file; another in the same form may be read

use std::collections::HashMap;

use thiserror::Error;

use super::{Sentiment, SentimentModel};

const EMBEDDED: &str = include_str!("sentiment.txt");
/// Words before a word in which a negation counts, and an intensifier.
const NEGATION_REACH: usize = 3;
const DEGREE_REACH: usize = 2;
const INTENSIFIED: f64 = 1.5;
const DIMINISHED: f64 = 0.5;
const NOT_BAD: f64 = 0.5;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Good for the price.
    Positive,
    /// Bad for the price.
    Negative,
    /// Says that little is sure.
    Uncertain,
    /// Of lawsuits.
    Litigious,
    /// Makes the next more.
    Intensifier,
    /// Makes the next less.
    Diminisher,
    /// Turns the next.
    Negation,
}

/// A word list that is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LexiconError {
    /// A line begins with no category.
    #[error(
        "line {line}: \"{found}\"; allowed: words behind positive:, negative:, uncertain:, litigious:, intensifier:, diminisher: or negation:, or a # line"
    )]
    Category {
        /// The line, from 1.
        line: usize,
        /// What it begins with.
        found: String,
    },
    /// A word is of two categories.
    #[error("line {line}: {word} stands in the list already; allowed: one category a word")]
    Twice {
        /// The line, from 1.
        line: usize,
        /// The word.
        word: String,
    },
    /// No word of good or bad.
    #[error("has no positive or no negative word; needed: both")]
    Empty,
}

/// A list of words.
#[derive(Debug, Clone, PartialEq)]
pub struct Lexicon {
    words: HashMap<String, Category>,
}

impl Default for Lexicon {
    fn default() -> Self {
        // The tests read the embedded list; a list that does not parse would score nothing.
        Self::parse(EMBEDDED).unwrap_or(Self { words: HashMap::new() })
    }
}

impl Lexicon {
    /// Reads a list: lines of a category, a colon and words; # begins a comment line. A word is in lower case, with letters and apostrophes.
    ///
    /// # Errors
    ///
    /// A line without a known category, a word of two categories, and a list without good or bad.
    pub fn parse(text: &str) -> Result<Self, LexiconError> {
        let mut words = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts = line.split_once(':').and_then(|(category, words)| Some((category_of(category)?, words)));
            let Some((category, listed)) = parts else {
                let found = line.chars().take(40).collect();
                return Err(LexiconError::Category { line: number, found });
            };
            for word in listed.split_whitespace().map(str::to_lowercase) {
                if words.insert(word.clone(), category).is_some() {
                    return Err(LexiconError::Twice { line: number, word });
                }
            }
        }
        let has = |category| words.values().any(|found| *found == category);
        let both = has(Category::Positive) && has(Category::Negative);
        if both { Ok(Self { words }) } else { Err(LexiconError::Empty) }
    }

    /// Words in the list.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn category(&self, word: &str) -> Option<Category> {
        // won't, isn't, didn't
        let negated = word.ends_with("n't");
        self.words.get(word).copied().or_else(|| negated.then_some(Category::Negation))
    }
}

fn category_of(name: &str) -> Option<Category> {
    Some(match name.trim() {
        "positive" => Category::Positive,
        "negative" => Category::Negative,
        "uncertain" => Category::Uncertain,
        "litigious" => Category::Litigious,
        "intensifier" => Category::Intensifier,
        "diminisher" => Category::Diminisher,
        "negation" => Category::Negation,
        _ => return None,
    })
}

/// Words in lower case, and whether punctuation ends what a word before it may turn.
fn tokens(text: &str) -> Vec<Option<String>> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, tokens: &mut Vec<Option<String>>| {
        // Quotation marks around a word are none of it.
        let bare = word.trim_matches('\'');
        if !bare.is_empty() {
            tokens.push(Some(bare.to_lowercase()));
        }
        word.clear();
    };
    for c in text.chars() {
        match c {
            '\u{2019}' => word.push('\''),
            c if c.is_alphabetic() || c == '\'' => word.push(c),
            c => {
                end(&mut word, &mut tokens);
                if matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '\u{2014}') {
                    tokens.push(None);
                }
            }
        }
    }
    end(&mut word, &mut tokens);
    tokens
}

impl SentimentModel for Lexicon {
    fn name(&self) -> &str {
        "lexicon"
    }

    fn score(&self, text: &str) -> Sentiment {
        let tokens = tokens(text);
        let categories: Vec<Option<Category>> =
            tokens.iter().map(|word| word.as_deref().and_then(|word| self.category(word))).collect();
        let mut said = Sentiment { score: None, positive: 0, negative: 0, uncertain: 0, litigious: 0 };
        let (mut good, mut bad) = (0.0, 0.0);
        for (at, category) in categories.iter().enumerate() {
            // The nearest word first, back to the punctuation.
            let before = |reach: usize| {
                let back = (0..at).rev().take(reach).take_while(|place| tokens[*place].is_some());
                back.filter_map(|place| categories[place]).collect::<Vec<_>>()
            };
            let positive = match category {
                Some(Category::Positive) => true,
                Some(Category::Negative) => false,
                Some(Category::Uncertain) => {
                    said.uncertain += 1;
                    continue;
                }
                Some(Category::Litigious) => {
                    said.litigious += 1;
                    continue;
                }
                _ => continue,
            };
            let degree = before(DEGREE_REACH).into_iter().find_map(|category| match category {
                Category::Intensifier => Some(INTENSIFIED),
                Category::Diminisher => Some(DIMINISHED),
                _ => None,
            });
            let weight = degree.unwrap_or(1.0);
            let negations = before(NEGATION_REACH).into_iter().filter(|it| *it == Category::Negation).count();
            let turned = negations % 2 == 1;
            let count = if positive == turned { &mut said.negative } else { &mut said.positive };
            *count += 1;
            match (positive, turned) {
                (true, false) => good += weight,
                (false, false) | (true, true) => bad += weight,
                (false, true) => good += NOT_BAD * weight,
            }
        }
        said.score = (good + bad > 0.0).then(|| (good - bad) / (good + bad));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(text: &str) -> Option<f64> {
        Lexicon::default().score(text).score
    }

    #[test]
    fn the_embedded_list_reads_and_has_a_few_hundred_words_of_every_category() {
        let lexicon = Lexicon::parse(EMBEDDED).unwrap();
        assert!((300..2_000).contains(&lexicon.len()), "{}", lexicon.len());
        use Category::{Diminisher, Intensifier, Litigious, Negation, Negative, Positive, Uncertain};
        for category in [Positive, Negative, Uncertain, Litigious, Intensifier, Diminisher, Negation] {
            assert!(lexicon.words.values().any(|found| *found == category), "{category:?}");
        }
        assert!(lexicon.words.keys().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '\'')));
    }

    #[test]
    fn headlines_are_scored() {
        assert_eq!(score("Acme profit surges, beats estimates"), Some(1.0));
        assert_eq!(score("Acme shares plunge after earnings miss"), Some(-1.0));
        assert_eq!(score("Acme to hold annual meeting on Tuesday"), None);
        assert_eq!(score("Strong sales, weak margins"), Some(0.0));
        assert_eq!(score("ACME PROFIT SURGES"), Some(1.0));
    }

    #[test]
    fn negation_and_degree_count_and_punctuation_ends_them() {
        assert_eq!(score("Acme does not expect strong sales"), Some(-1.0));
        assert_eq!(score("Acme won\u{2019}t be profitable"), Some(-1.0));
        // Half a word of good against one of bad.
        let not_bad = score("no losses at Acme; rival weak").unwrap();
        assert!((not_bad - (0.5 - 1.0) / 1.5).abs() < 1e-12, "{not_bad}");
        assert_eq!(score("Acme says no, profit strong"), Some(1.0));
        let sharp = score("sharply weak sales, strong orders").unwrap();
        assert!((sharp - (1.0 - 1.5) / 2.5).abs() < 1e-12, "{sharp}");
        let slight = score("slightly weak sales; strong orders").unwrap();
        assert!((slight - (1.0 - 0.5) / 1.5).abs() < 1e-12, "{slight}");
        assert_eq!(score("not without profit"), Some(1.0));
    }

    #[test]
    fn counts_are_told_and_other_lists_are_read_or_refused() {
        let said = Lexicon::default().score("Lawsuit may hurt Acme, which could lose");
        assert_eq!((said.litigious, said.uncertain, said.negative, said.positive), (1, 2, 2, 0));
        let own = Lexicon::parse("# ours\npositive: moon\n\nnegative: rekt\n").unwrap();
        assert_eq!(own.score("to the moon").score, Some(1.0));
        let error = |text: &str| Lexicon::parse(text).unwrap_err();
        assert!(matches!(error("positive: a\nbull: b"), LexiconError::Category { line: 2, .. }));
        assert!(matches!(error("positive: a\nnegative: a"), LexiconError::Twice { line: 2, .. }));
        assert_eq!(error("positive: a"), LexiconError::Empty);
    }
}
