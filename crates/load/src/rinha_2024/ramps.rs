//! The third step: debits, credits and statements as they come.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::distr::Alphanumeric;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::checks::{judge_statement, judge_transaction, verdict};
use super::lab::{CREDIT, DEBIT, Lab, STATEMENT};
use super::{Options, requests};
use crate::arrivals::{Ramp, arrivals};
use crate::pacer::pace;
use crate::recorder::Verdict;

/// Arrivals per second at the top, by kind: the start is one per second each.
const RATES: [(usize, f64); 3] = [(DEBIT, 220.0), (CREDIT, 110.0), (STATEMENT, 10.0)];

const STRETCH: Duration = Duration::from_secs(120);

/// All arrivals with their kinds, in order of time.
pub(super) fn plan(options: &Options) -> Vec<(Duration, usize)> {
    let duration = STRETCH.mul_f64(options.duration_scale);
    let ramp = |from: f64, to: f64| Ramp {
        from: from * options.rate_scale,
        to: to * options.rate_scale,
        duration,
    };
    let mut plan: Vec<(Duration, usize)> = RATES
        .iter()
        .flat_map(|(kind, rate)| {
            let ramps = [ramp(1.0, *rate), ramp(*rate, *rate)];
            arrivals(&ramps).map(|at| (at, *kind)).collect::<Vec<_>>()
        })
        .collect();
    plan.sort();
    plan
}

/// Drives the plan from now on.
pub(super) async fn drive(lab: &Rc<Lab>, plan: Vec<(Duration, usize)>) -> anyhow::Result<()> {
    let mut rng = SmallRng::seed_from_u64(lab.options.seed);
    pace(
        Instant::now(),
        plan.into_iter(),
        &lab.in_flight,
        |_| true,
        |planned, kind| user(Rc::clone(lab), planned, kind, &mut rng),
    )
    .await?;
    Ok(())
}

/// One arrival: one request on a random account.
fn user(
    lab: Rc<Lab>,
    planned: Instant,
    kind: usize,
    rng: &mut SmallRng,
) -> impl Future<Output = ()> + use<> {
    let account = rng.random_range(1..=5);
    let request = match kind {
        DEBIT => transaction(&lab, account, 'd', rng),
        CREDIT => transaction(&lab, account, 'c', rng),
        _ => lab.requests.statement(account),
    };
    async move {
        let traffic = &lab.traffic[account - 1];
        let moves = u64::from(kind != STATEMENT);
        traffic.started.set(traffic.started.get() + moves);
        traffic.in_flight.set(traffic.in_flight.get() + moves);
        lab.ask(&lab.client, kind, planned, &request, |answer| {
            let verdict = match kind {
                STATEMENT => verdict(judge_statement(answer, account), "statement"),
                _ => match judge_transaction(answer, account, kind == DEBIT) {
                    Ok(None) => Verdict::Right("refused"),
                    judged => verdict(judged, "moved"),
                },
            };
            (verdict, None::<()>)
        })
        .await;
        traffic.in_flight.set(traffic.in_flight.get() - moves);
    }
}

/// A credit or debit of 1 to 10,000 with ten random letters and digits.
fn transaction(lab: &Lab, account: usize, kind: char, rng: &mut SmallRng) -> Vec<u8> {
    let amount = rng.random_range(1..=10_000);
    let description: String = rng
        .sample_iter(Alphanumeric)
        .take(10)
        .map(char::from)
        .collect();
    lab.requests
        .transaction(account, &requests::body(amount, kind, &description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_load_has_61503_requests() {
        let options = Options::official("127.0.0.1:9999".parse().unwrap());
        let plan = plan(&options);
        assert!(plan.is_sorted());
        assert_eq!(
            plan.len() as u64 + super::super::users::REQUESTS_COUNT,
            61_503
        );
    }

    #[test]
    fn scales_multiply() {
        let mut options = Options::official("127.0.0.1:9999".parse().unwrap());
        options.rate_scale = 10.0;
        assert_eq!(plan(&options).len(), 613_800);
        options.duration_scale = 0.1;
        assert_eq!(plan(&options).len(), 61_380);
        assert!(plan(&options)[61_379].0 < Duration::from_secs(24));
    }
}
