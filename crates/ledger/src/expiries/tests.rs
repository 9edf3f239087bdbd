//! Copies that are taken while things go on.

use super::*;
use crate::transfer::TransferKind;

/// Numbers that are the same in every run: a linear congruential generator with Knuth's constants.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn account_id(number: u32) -> AccountId {
    AccountId::new(&format!("a{number}")).unwrap()
}

fn pend(id: u128, timeout_s: u32, random: &mut Numbers) -> Transfer {
    Transfer {
        id: TransferId::from_u128(id),
        kind: TransferKind::Pend { timeout_s },
        debit_account_id: account_id(random.below(3)),
        credit_account_id: AccountId::new("world:BRL").unwrap(),
        amount: 1,
        description: "x".into(),
        notes: crate::notes::Notes::NONE,
        timestamp: Timestamp::from_nanos(1_000),
        debit: None,
        credit: None,
    }
}

fn void(pended: &Transfer) -> Transfer {
    let id = TransferId::from_u128(pended.id.to_u128() + (1 << 100));
    Transfer {
        id,
        kind: TransferKind::Void {
            pending_id: pended.id,
        },
        ..pended.clone()
    }
}

/// Whatever comes, ends and is postponed while a copy is taken, it has what there was when it was
/// begun.
#[test]
fn a_copy_is_of_the_moment_it_was_begun() {
    for seed in 0..300 {
        let mut random = Numbers(seed);
        let mut expiries = Expiries::default();
        let mut open: Vec<Transfer> = Vec::new();
        let mut next_id = 0;
        let mut expected = Expiries::default();
        let mut copied = Expiries::default();
        let (begin_at, steps) = (random.below(100), 300);
        for step in 0..steps {
            if step == begin_at {
                expected = expiries.clone();
                expiries.begin_copy();
            }
            match random.below(5) {
                0 | 1 => {
                    next_id += 1;
                    let pended = pend(next_id, 1 + random.below(49), &mut random);
                    expiries.record(&pended);
                    open.push(pended);
                }
                2 if !open.is_empty() => {
                    let place = random.below(u32::try_from(open.len()).unwrap()) as usize;
                    let ended = open.swap_remove(place);
                    expiries.record(&void(&ended));
                }
                3 if !open.is_empty() => {
                    let place = random.below(u32::try_from(open.len()).unwrap()) as usize;
                    let until = Timestamp::from_nanos(1_000).plus_seconds(50 + random.below(40));
                    // A copy does not say that one was postponed: only what is not copied here.
                    if step >= begin_at {
                        expiries.postpone(open[place].id, until);
                    }
                }
                _ if step > begin_at => {
                    for pending in expiries
                        .copy_next(1 + random.below(5) as usize)
                        .into_iter()
                        .flatten()
                    {
                        copied.insert(pending);
                    }
                }
                _ => {}
            }
        }
        while let Some(part) = expiries.copy_next(3) {
            part.into_iter().for_each(|pending| copied.insert(pending));
        }
        assert_eq!(expiries.copy, None);
        assert_eq!(copied, expected, "seed {seed}");
    }
}
