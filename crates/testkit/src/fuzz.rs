//! Mutated inputs for the readers of foreign bytes: a reader may refuse what it likes, but it may not
//! panic, and what it checks itself has to hold.
//!
//! Each input is made from the examples with a seed of its own: bits are flipped, pieces cut, doubled,
//! exchanged with those of another example, replaced by numbers and words that readers stumble over. A
//! test takes 2,000 inputs, or with `LASTRO_FUZZ_S` as many as so many seconds allow. `LASTRO_SEED`
//! gives one input again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::seeds::number;

/// How many inputs a test takes if no time is given.
const INPUTS: u64 = 2_000;
/// How many changes one input has, at most.
const CHANGES_MAX: u32 = 8;
/// An input does not grow beyond this.
const LENGTH_MAX: usize = 1 << 16;

/// What readers stumble over.
const TOKENS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80",
    b"\xc3",
    b"\xf0\x9f\x98\x80",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"9007199254740992",
    b"null",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"%00",
    b"%zz",
    b"T24:60:60Z",
    b"+99:99",
    b"@",
    b"//",
    b"?",
    b"=",
];

/// Gives mutations of the examples, and the examples themselves, to a reader.
///
/// # Panics
///
/// Where the reader does: the input and its seed are printed first.
pub fn fuzz(examples: &[&[u8]], reader: impl Fn(&[u8])) {
    assert!(!examples.is_empty(), "there is no example to begin with");
    if let Some(seed) = number("LASTRO_SEED") {
        return give(&reader, seed, &input(examples, seed));
    }
    let time = number("LASTRO_FUZZ_S").map(Duration::from_secs);
    let started = Instant::now();
    // Each run of a longer test sees other inputs.
    let first = match time {
        Some(_) => rand::random::<u32>().into(),
        None => 1,
    };
    let mut count = 0;
    for example in examples {
        give(&reader, 0, example);
    }
    while time.map_or(count < INPUTS, |time| started.elapsed() < time) {
        let seed = first + count;
        give(&reader, seed, &input(examples, seed));
        count += 1;
    }
    println!("{count} inputs in {:.1} s", started.elapsed().as_secs_f64());
}

fn give(reader: &impl Fn(&[u8]), seed: u64, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| reader(input))) {
        eprintln!(
            "LASTRO_SEED={seed}: the reader panics at {:?}",
            input.escape_ascii().to_string()
        );
        resume_unwind(panic);
    }
}

/// The input of a seed.
fn input(examples: &[&[u8]], seed: u64) -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut bytes = examples[random.random_range(0..examples.len())].to_vec();
    for _ in 0..random.random_range(1..=CHANGES_MAX) {
        change(&mut bytes, examples, &mut random);
        bytes.truncate(LENGTH_MAX);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, examples: &[&[u8]], random: &mut SmallRng) {
    let at = random.random_range(0..=bytes.len());
    let end = at + random.random_range(0..=(bytes.len() - at).min(32));
    match random.random_range(0..7) {
        0 => flip(bytes, at, random),
        1 => {
            bytes.drain(at..end);
        }
        2 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        3 => {
            let token = TOKENS[random.random_range(0..TOKENS.len())];
            bytes.splice(at..end, token.iter().copied());
        }
        4 => {
            let other = examples[random.random_range(0..examples.len())];
            let from = random.random_range(0..=other.len());
            bytes.splice(at..end, other[from..].iter().take(64).copied());
        }
        5 => bytes.truncate(at),
        _ => {
            for byte in &mut bytes[at..end] {
                *byte = random.random();
            }
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, random: &mut SmallRng) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.random_range(0..8);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn inputs_differ_and_a_seed_gives_the_same_one_again() {
        let examples: [&[u8]; 2] = [b"{\"amount\": 1}", b"2026-01-31T23:59:59.5Z"];
        let seen = RefCell::new(BTreeSet::new());
        fuzz(&examples, |input| {
            seen.borrow_mut().insert(input.to_vec());
        });
        let seen = seen.into_inner();
        assert!(seen.len() > 1_000, "{}", seen.len());
        assert!(examples.iter().all(|example| seen.contains(*example)));
        assert_eq!(input(&examples, 7), input(&examples, 7));
    }

    #[test]
    fn a_reader_that_panics_at_one_byte_is_found() {
        let asked = Cell::new(0);
        let found = catch_unwind(AssertUnwindSafe(|| {
            fuzz(&[b"a plain text"], |input| {
                asked.set(asked.get() + 1);
                assert!(!input.contains(&0xff), "it cannot read this byte");
            });
        }));
        assert!(found.is_err(), "{} inputs", asked.get());
    }
}
