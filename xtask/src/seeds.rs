//! Finding the seeds of failed simulations in what the tests printed.
//!
//! The house rule: a simulated test's failure shows `LASTRO_SEED=<number>` (or `seed <number>`).

/// The seeds named on the lines of failures, each once, in the order they were printed.
pub(crate) fn failing(text: &str) -> Vec<u64> {
    let mut seeds = Vec::new();
    for line in text.lines().map(str::to_ascii_lowercase) {
        for (at, word) in line.match_indices("seed") {
            if let Some(seed) = number(&line[at + word.len()..])
                && !seeds.contains(&seed)
            {
                seeds.push(seed);
            }
        }
    }
    seeds
}

/// The number at the start of a text, after any of ` `, `=`, `:` and `#`.
fn number(text: &str) -> Option<u64> {
    let start = text.trim_start_matches([' ', '=', ':', '#']);
    if start.len() == text.len() {
        return None;
    }
    let (digits, radix) = start
        .strip_prefix("0x")
        .map_or((start, 10), |digits| (digits, 16));
    let end = digits
        .find(|letter: char| !letter.is_digit(radix))
        .unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_found_however_a_test_names_them() {
        let text = "\
            thread 'crash' panicked at tests/crash.rs:7:\n\
            seed 41: a frame was lost; reproduce with LASTRO_SEED=41\n\
            Seed: 0x2a, seed=43,\n\
            seeds 300, 12 seeds passed, seed\n";
        assert_eq!(failing(text), [41, 42, 43]);
    }
}
