//! An error and its causes on one line.

use std::error::Error;
use std::fmt::Write;

/// The error's text and that of each of its causes, the outermost first, with `: ` between them.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_named_once() {
        let disk = Layer("the disk is full", None);
        let file = Layer("cannot write the file", Some(Box::new(disk)));
        let whole = Layer("cannot start", Some(Box::new(file)));
        assert_eq!(
            error_chain(&whole),
            "cannot start: cannot write the file: the disk is full"
        );
    }
}
