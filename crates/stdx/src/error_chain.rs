//! An error and its causes on one line.

use std::error::Error;
use std::fmt;

/// Shows the error's text and that of each of its causes, the outermost first, with `: ` between
/// them.
#[derive(Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ErrorChain(&whole).to_string(),
            "cannot start: cannot write the file: the disk is full"
        );
    }
}
