//! What a dispatcher has decided is carried out, sooner or later.

use std::time::Duration;

use ledger::{HealthReport, State, Unavailable, UsedPayment};
use rand::Rng;

use super::super::ms;
use super::super::node::Life;
use super::{Happening, World};
use crate::dispatcher::{Effect, Input};

impl World {
    pub(super) fn carry_out(&mut self, life: Life, effect: Effect) {
        let soon = self.now + self.network();
        match effect {
            Effect::Submit { id, command } => {
                let slow = match self.chance(self.faults.command_slow) {
                    true => self.rng.random_range(Duration::ZERO..ms(2_000)),
                    false => Duration::ZERO,
                };
                self.at(soon + slow, Happening::Command(life, id, command));
            }
            Effect::Send(request) => {
                let paused = self.chance(self.faults.paused_before_write);
                let pause = ms(if paused {
                    self.rng.random_range(0..8_000)
                } else {
                    0
                });
                if let Some(lease) = self.nodes[life.node].lease {
                    self.at(self.now + pause, Happening::Write(life, request, lease));
                }
            }
            Effect::Ask(question) => self.at(soon, Happening::Question(life, question, false)),
            Effect::Probe(question) => {
                self.tally.probes += 1;
                self.at(soon, Happening::Question(life, question, true));
            }
            Effect::Look(id) => {
                let payment = match self.ledger.0.state().payment(id) {
                    Some(UsedPayment::Accepted(payment)) => Some(Box::new(payment)),
                    Some(UsedPayment::Refused(..)) | None => None,
                };
                let payment = match self.chance(self.faults.ledger_silent) {
                    true => Err(Unavailable::Timeout),
                    false => Ok(payment),
                };
                self.at(soon, Happening::Input(life, Input::Looked { id, payment }));
            }
            Effect::Report(conflict) => {
                self.tally.reports += 1;
                self.reported.insert(conflict.id);
            }
            Effect::PollHealth(place) => {
                let processor = &self.processors[place.get()];
                let report = HealthReport {
                    failing: self.faults.failing > 400,
                    delay_min: processor.delay,
                    // The first node asks, the others hear of it later.
                    age: ms(if life.node == 0 { 0 } else { 1_000 }),
                };
                let report = Some(report).filter(|_| !processor.is_silent(self.now));
                self.at(
                    soon,
                    Happening::Input(
                        life,
                        Input::Health {
                            processor: place,
                            report,
                        },
                    ),
                );
            }
            Effect::ReadDue(query) => {
                let is_silent = self.chance(self.faults.ledger_silent);
                let lease = self.nodes[life.node].lease.map_or(0, |lease| lease.number);
                let page = if self.is_alone {
                    self.ledger.0.payments_due(query)
                } else {
                    self.claims.due(lease, query, &self.ledger.0)
                };
                // Claimed or not, it may be that nobody is told.
                let page = if is_silent {
                    Err(Unavailable::Timeout)
                } else {
                    Ok(page)
                };
                self.at(soon, Happening::Input(life, Input::Due(page)));
            }
        }
    }
}
