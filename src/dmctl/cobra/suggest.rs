//! Names near to a mistyped command.

use super::Spec;

/// Visible commands that begin with the word, or differ from it by at most two letters.
pub fn near(word: &str, commands: &[Spec]) -> Vec<&'static str> {
    let word = word.to_lowercase();
    commands
        .iter()
        .filter(|spec| !spec.hidden)
        .map(Spec::name)
        .filter(|name| distance(&word, name) <= 2 || name.starts_with(&word))
        .collect()
}

/// Letters to insert, delete or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let replaced = diagonal + usize::from(letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
