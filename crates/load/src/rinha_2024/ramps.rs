//! The third step: debits, credits and statements as they come.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::Rinha2024Options;
use super::arrival::{Arrival, RATES};
use super::lab::Lab;
use crate::arrivals::{Ramp, arrivals};
use crate::pacer::pace;

const STRETCH: Duration = Duration::from_secs(120);

/// All arrivals with their kinds, in order of time: each kind from 1 per second to its rate.
pub(super) fn plan(options: &Rinha2024Options) -> Vec<(Duration, usize)> {
    let duration = STRETCH.mul_f64(options.duration_scale);
    let ramp = |from: f64, to: f64| Ramp {
        from: from * options.rate_scale,
        to: to * options.rate_scale,
        duration,
    };
    let mut plan: Vec<(Duration, usize)> = RATES
        .iter()
        .flat_map(|(kind, rate)| {
            let rate = f64::from(*rate);
            let ramps = [ramp(1.0, rate), ramp(rate, rate)];
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
        |planned, kind| {
            let arrival = Arrival::of(kind, &lab.requests, &mut rng);
            user(Rc::clone(lab), planned, arrival)
        },
    )
    .await?;
    Ok(())
}

async fn user(lab: Rc<Lab>, planned: Instant, arrival: Arrival) {
    let traffic = &lab.traffic[arrival.account - 1];
    let moves = u64::from(arrival.moves());
    traffic.started.set(traffic.started.get() + moves);
    traffic.in_flight.set(traffic.in_flight.get() + moves);
    lab.ask(
        &lab.client,
        arrival.kind,
        planned,
        &arrival.request,
        |answer| (arrival.judge(answer), None::<()>),
    )
    .await;
    traffic.in_flight.set(traffic.in_flight.get() - moves);
}

#[cfg(test)]
mod tests {
    use super::super::users::REQUESTS_COUNT;
    use super::*;

    #[test]
    fn the_official_load_has_61503_requests() {
        let options = Rinha2024Options::official("127.0.0.1:9999".parse().unwrap());
        let plan = plan(&options);
        assert!(plan.is_sorted());
        assert_eq!(plan.len() as u64 + REQUESTS_COUNT, 61_503);
    }

    #[test]
    fn scales_multiply() {
        let mut options = Rinha2024Options::official("127.0.0.1:9999".parse().unwrap());
        options.rate_scale = 10.0;
        assert_eq!(plan(&options).len(), 613_800);
        options.duration_scale = 0.1;
        assert_eq!(plan(&options).len(), 61_380);
        assert!(plan(&options)[61_379].0 < Duration::from_secs(24));
    }
}
