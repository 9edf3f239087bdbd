//! Reading what `cargo test` printed: which suites ran, for how long, and what failed.

use std::fmt;

/// One test binary, or the documentation tests of one crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    name: String,
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
    /// As printed, such as `0.42s`; `None` when the suite died before its end.
    took: Option<String>,
}

/// Every suite of one run of `cargo test`.
pub(crate) struct Suites(Vec<Suite>);

impl Suites {
    /// Reads the combined output, which must be in the order it was written.
    pub(crate) fn read(text: &str) -> Self {
        let mut suites: Vec<Suite> = Vec::new();
        // Cargo names the crate of unit tests only, and runs them before the crate's other tests.
        let mut last_crate = "";
        for line in text.lines() {
            if let Some(name) = line.trim().strip_prefix("Doc-tests ") {
                suites.push(Suite::new(name, "documentation"));
            } else if let Some((binary, source)) = running(line) {
                if let Some(source) = source.strip_prefix("unittests ") {
                    last_crate = binary;
                    suites.push(Suite::new(binary, source));
                } else {
                    suites.push(Suite::new(last_crate, source));
                }
            } else if let Some(suite) = suites.last_mut() {
                suite.read(line);
            }
        }
        Self(suites)
    }

    /// How many tests ran.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|suite| suite.passed + suite.failed).sum()
    }
}

/// `Running unittests src/lib.rs (target/debug/deps/journal-0a1b)` is `journal` and
/// `unittests src/lib.rs`.
fn running(line: &str) -> Option<(&str, &str)> {
    let named = line.trim().strip_prefix("Running ")?;
    let (source, binary) = named.strip_suffix(')')?.split_once(" (")?;
    let binary = binary.rsplit('/').next()?;
    Some((
        binary.rsplit_once('-').map_or(binary, |(name, _hash)| name),
        source,
    ))
}

impl Suite {
    fn new(of_crate: &str, source: &str) -> Self {
        Self {
            name: format!("{of_crate} {source}").trim_start().to_owned(),
            ..Self::default()
        }
    }

    fn read(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        } else if let Some(result) = line.strip_prefix("test result: ") {
            for part in result.split([';', '.']).map(str::trim) {
                let (number, word) = part.split_once(' ').unwrap_or_default();
                match (number.parse(), word) {
                    (Ok(count), "passed") => self.passed = count,
                    (Ok(count), "failed") => self.failed = count,
                    (Ok(count), "ignored") => self.ignored = count,
                    _ => {}
                }
            }
            self.took = result
                .rsplit_once("finished in ")
                .map(|(_, took)| took.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.took.is_some() && self.passed + self.failed + self.ignored == 0
    }
}

/// A table with one line per suite that has tests, the totals, and the names of what failed.
impl fmt::Display for Suites {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.iter().filter(|suite| !suite.is_empty()).collect();
        let width = shown
            .iter()
            .map(|suite| suite.name.len())
            .max()
            .unwrap_or(0);
        writeln!(out, "\nTests")?;
        for suite in &shown {
            let took = suite.took.as_deref().unwrap_or("died");
            let Suite {
                name,
                passed,
                failed,
                ..
            } = suite;
            writeln!(
                out,
                "  {name:width$}  {took:>9}  {passed:>5} passed  {failed:>3} failed"
            )?;
        }
        let sum = |of: fn(&Suite) -> u64| self.0.iter().map(of).sum::<u64>();
        let (passed, failed) = (sum(|suite| suite.passed), sum(|suite| suite.failed));
        let ignored = sum(|suite| suite.ignored);
        write!(out, "  {passed} passed, {failed} failed, {ignored} ignored")?;
        for suite in shown {
            for failure in &suite.failures {
                write!(out, "\n  FAILED {}: {failure}", suite.name)?;
            }
            if suite.took.is_none() {
                write!(out, "\n  FAILED {}: it ended without a result", suite.name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "   Compiling journal v0.1.0
    Finished `test` profile [optimized + debuginfo] target(s) in 1.02s
     Running unittests src/lib.rs (target/debug/deps/engine_embedded-24686ccd5aa0e5a3)

running 2 tests
test tail::empty ... ok
test tail::torn ... FAILED

failures:
    tail::torn

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 12.34s

     Running tests/main.rs (target/debug/deps/main-24686ccd5aa0e5a3)
test crash::seeds ... error: test failed
   Doc-tests journal

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn suites_their_times_and_their_failures_are_read() {
        let Suites(suites) = Suites::read(OUTPUT);
        let first = Suite {
            name: "engine_embedded src/lib.rs".to_owned(),
            passed: 1,
            failed: 1,
            ignored: 0,
            failures: vec!["tail::torn".to_owned()],
            took: Some("12.34s".to_owned()),
        };
        assert_eq!(suites[0], first);
        assert_eq!(
            (suites[1].name.as_str(), &suites[1].took),
            ("engine_embedded tests/main.rs", &None)
        );
        assert!(suites[2].is_empty());
        assert_eq!(Suites(suites).count(), 2);
    }

    #[test]
    fn the_table_leaves_out_empty_suites_and_names_failures() {
        let table = Suites::read(OUTPUT).to_string();
        assert!(
            table.contains("FAILED engine_embedded src/lib.rs: tail::torn"),
            "{table}"
        );
        assert!(
            table.contains("FAILED engine_embedded tests/main.rs: it ended without a result"),
            "{table}"
        );
        assert!(!table.contains("documentation"), "{table}");
        assert!(table.contains("1 passed, 1 failed, 0 ignored"), "{table}");
    }
}
