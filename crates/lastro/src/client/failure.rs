//! What a command that asks a server fails with, for people and for scripts.

use std::io;
use std::process::ExitCode;

use lastro_client::{Error, OutcomeUnknown, Problem, Unavailable};

/// The exit code where nobody knows whether it was done.
const OUTCOME_UNKNOWN: u8 = 3;

/// Says what went wrong and how to mend it.
///
/// # Errors
///
/// What did not come from the server is handed back, for `main` to print.
pub(super) fn report(error: anyhow::Error, url: &str) -> anyhow::Result<ExitCode> {
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        // Who closed standard output has seen enough.
        return Ok(ExitCode::SUCCESS);
    }
    let error = error.downcast::<Error>()?;
    eprintln!("error: {}", text(&error));
    if let Some(code) = error.code() {
        eprintln!("code:  {code}");
    }
    if let Some(todo) = to_do(&error, url) {
        eprintln!("to do: {todo}");
    }
    Ok(match error {
        // What cannot be read may be the answer to a write that was done.
        Error::OutcomeUnknown(_) | Error::Unreadable(_) => ExitCode::from(OUTCOME_UNKNOWN),
        Error::Refused(_) | Error::BatchRefused(_) | Error::Unavailable(_) => ExitCode::FAILURE,
    })
}

/// What went wrong, without the code, which has a line of its own.
fn text(error: &Error) -> String {
    match error {
        Error::Refused(problem) => problem.detail.clone(),
        Error::BatchRefused(refused) => refused.problem.detail.clone(),
        Error::OutcomeUnknown(_) | Error::Unavailable(_) | Error::Unreadable(_) => {
            error.to_string()
        }
    }
}

/// How to mend it.
fn to_do(error: &Error, url: &str) -> Option<String> {
    match error {
        Error::Refused(problem) => advice(problem),
        Error::BatchRefused(refused) => advice(&refused.problem),
        Error::Unavailable(unavailable) => Some(of_unavailable(unavailable, url)),
        Error::OutcomeUnknown(unknown) => Some(of_unknown(unknown)),
        Error::Unreadable(_) => Some(format!("Look at what answers at {url}.")),
    }
}

fn advice(problem: &Problem) -> Option<String> {
    server::what_to_do(problem.code.as_str()).map(str::to_owned)
}

fn of_unavailable(unavailable: &Unavailable, url: &str) -> String {
    let Unavailable { problem, .. } = unavailable;
    problem.as_ref().and_then(advice).unwrap_or_else(|| {
        format!("Look whether a server runs at {url}; --url or LASTRO_URL names another one.")
    })
}

fn of_unknown(unknown: &OutcomeUnknown) -> String {
    match unknown.id {
        Some(id) => format!(
            "Run the same command again with --id {id}: it is done once, and answered as it was the first time."
        ),
        None => "Run the same command again: an account is opened once.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_of_the_client_has_an_advice_of_the_server() {
        for code in lastro_client::Code::KNOWN {
            assert!(server::what_to_do(code.as_str()).is_some(), "{code}");
        }
    }
}
