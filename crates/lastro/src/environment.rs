//! The variables of the environment: one whose name begins with `LASTRO_` and that no command knows is
//! refused, since a mistyped setting must not be passed over in silence.

use anyhow::bail;
use clap::Command;

/// What begins the names of our variables.
const PREFIX: &str = "LASTRO_";

/// What contributors set for the project's own tests and chores, which start this program.
const OF_TESTS: [&str; 8] = [
    "LASTRO_BIN",
    "LASTRO_FAILOVER_ONLY",
    "LASTRO_FAILOVER_ROUNDS",
    "LASTRO_FUZZ_S",
    "LASTRO_LONG",
    "LASTRO_SEED",
    "LASTRO_SEEDS",
    "LASTRO_UPDATE_GOLDEN",
];

/// How alike two names have to be, from 0 to 1, for one to be suggested for the other.
const ALIKE_MIN: f64 = 0.8;

/// Fails at the first variable of this process that begins with `LASTRO_` and that no command knows.
pub(crate) fn check(command: &Command) -> anyhow::Result<()> {
    let variables = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    check_names(&known(command), variables)
}

/// The variables of a command and of those below it.
fn known(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_env);
    let own = own.map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(known))
        .collect()
}

fn check_names(known: &[String], names: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut ours: Vec<_> = names.filter(|name| name.starts_with(PREFIX)).collect();
    ours.sort();
    for name in ours {
        if known.contains(&name) || OF_TESTS.contains(&name.as_str()) || is_of_kubernetes(&name) {
            continue;
        }
        let likeness = |other: &&String| strsim::jaro_winkler(&name, other);
        let nearest = known
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match nearest.filter(|nearest| likeness(nearest) >= ALIKE_MIN) {
            Some(nearest) => bail!(
                "the variable {name} is not a setting of lastro: did you mean {nearest}? Correct its \
                 name, or unset it"
            ),
            None => bail!(
                "the variable {name} is not a setting of lastro: unset it. `lastro serve --help` lists \
                 the variables"
            ),
        }
    }
    Ok(())
}

/// Kubernetes sets such variables in each container beside a service whose name begins with `lastro`:
/// `LASTRO_SERVICE_HOST`, `LASTRO_API_SERVICE_PORT_HTTP`, `LASTRO_PORT`, `LASTRO_PORT_9999_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT")
    {
        return true;
    }
    let Some((_, port)) = name.split_once("_PORT_") else {
        return false;
    };
    let mut words = port.split('_');
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_protocol = |word: &str| ["TCP", "UDP", "SCTP"].contains(&word);
    words.next().is_some_and(is_number) && words.next().is_some_and(is_protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refusal(name: &str) -> Option<String> {
        let known = known(&crate::command());
        let checked = check_names(&known, [name.to_owned()].into_iter());
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_mistyped_variable_is_refused_with_the_nearest_known_one() {
        for (name, nearest) in [
            ("LASTRO_LISTNE", "LASTRO_LISTEN"),
            ("LASTRO_DATADIR", "LASTRO_DATA_DIR"),
            ("LASTRO_LOG", "LASTRO_LOG_LEVEL"),
            ("LASTRO_METRIC_LISTEN", "LASTRO_METRICS_LISTEN"),
        ] {
            let refusal = refusal(name).unwrap();
            assert!(refusal.contains(name), "{refusal}");
            assert!(
                refusal.contains(&format!("did you mean {nearest}?")),
                "{refusal}"
            );
        }
        let refusal = refusal("LASTRO_0").unwrap();
        assert!(refusal.contains("LASTRO_0 is not a setting"), "{refusal}");
    }

    #[test]
    fn settings_and_what_others_set_are_passed() {
        for name in [
            "LASTRO_LISTEN",
            "LASTRO_DATABASE_URL",
            "LASTRO_CONFIG",
            "LASTRO_LONG",
            "LASTRO_FAILOVER_ROUNDS",
            "LASTRO_SERVICE_HOST",
            "LASTRO_API_SERVICE_PORT_HTTP",
            "LASTRO_PORT",
            "LASTRO_PORT_9999_TCP",
            "LASTRO_PORT_9999_TCP_ADDR",
            "XLASTRO_LISTNE",
            "PATH",
        ] {
            assert_eq!(refusal(name), None);
        }
        assert!(refusal("LASTRO_PORT_MAX_TCP").is_some());
    }
}
