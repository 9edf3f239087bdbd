//! The lists of transfers and payments compared: walked from page to page in both orders, and begun and ended anywhere.

use std::collections::BTreeSet;

use ledger::{
    AccountId, Engine, Event, LimitChange, ListOrder, ListPage, ListPlace, ListedTransfer, Payment,
    PaymentList, ProcessorName, Reference, TransferList,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::run::Run;

/// How many accounts', references' and processors' lists are compared.
const LISTS_SAMPLED: usize = 6;
/// How many pages of one size are walked.
const PAGES_MAX: usize = 6;

impl Run<'_> {
    pub(super) async fn compare_lists(&mut self) -> Result<(), String> {
        let of = Of::read(self);
        for account_id in self.some(&of.accounts) {
            self.compare_transfers_of(&TransferList::Of(account_id))
                .await?;
        }
        for reference in self.some(&of.references) {
            self.compare_transfers_of(&TransferList::With(reference))
                .await?;
        }
        for account_id in self.some(&of.accounts) {
            self.compare_limits_of(&account_id).await?;
        }
        if !self.generator.has_payments() {
            return Ok(());
        }
        let mut lists = vec![PaymentList::All, PaymentList::Refused];
        lists.extend(self.some(&of.accounts).into_iter().map(PaymentList::Of));
        lists.extend(self.some(&of.references).into_iter().map(PaymentList::With));
        lists.extend(
            self.some(&of.processors)
                .into_iter()
                .map(PaymentList::SettledBy),
        );
        for list in lists {
            self.compare_payments_of(&list).await?;
        }
        Ok(())
    }

    async fn compare_transfers_of(&mut self, list: &TransferList) -> Result<(), String> {
        // The whole list first: it tells the moments of the engine's own clock.
        let whole = self.transfers_page(list, ListPage::first(ListOrder::Descending, 1_000));
        let whole = whole.await?;
        let places: Vec<_> = whole.iter().map(place_of).collect();
        for mut page in self.pages(&places) {
            for _ in 0..PAGES_MAX {
                let listed = self.transfers_page(list, page).await?;
                page.after = listed.last().map(place_of);
                if page.after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn compare_payments_of(&mut self, list: &PaymentList) -> Result<(), String> {
        let whole = self.payments_page(list, ListPage::first(ListOrder::Descending, 1_000));
        let whole = whole.await?;
        let places: Vec<_> = whole.iter().map(ListPlace::of_payment).collect();
        for mut page in self.pages(&places) {
            for _ in 0..PAGES_MAX {
                let listed = self.payments_page(list, page).await?;
                page.after = listed.last().map(ListPlace::of_payment);
                if page.after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn compare_limits_of(&mut self, id: &AccountId) -> Result<(), String> {
        let whole = self.limits_page(id, ListPage::first(ListOrder::Ascending, 1_000));
        let whole = whole.await?;
        let places: Vec<_> = whole.iter().map(ListPlace::of_limit).collect();
        for mut page in self.pages(&places) {
            for _ in 0..PAGES_MAX {
                let limits = self.limits_page(id, page).await?;
                page.after = limits.last().map(ListPlace::of_limit);
                if page.after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn limits_page(
        &mut self,
        id: &AccountId,
        page: ListPage,
    ) -> Result<Vec<LimitChange>, String> {
        let deadline = self.deadline();
        let engines_page = self.engines_page(page);
        let expected = self.reference.limits(id.clone(), page, deadline).await;
        let got = self.engine.limits(id.clone(), engines_page, deadline).await;
        self.judge(|| format!("limits of {id}, {page:?}"), expected, got)
    }

    async fn transfers_page(
        &mut self,
        list: &TransferList,
        page: ListPage,
    ) -> Result<Vec<ListedTransfer>, String> {
        let deadline = self.deadline();
        let engines_page = self.engines_page(page);
        let expected = self.reference.transfers(list.clone(), page, deadline).await;
        let got = self.engine.transfers(list.clone(), engines_page, deadline);
        let got = got.await;
        self.judge(|| format!("transfers of {list:?}, {page:?}"), expected, got)
    }

    async fn payments_page(
        &mut self,
        list: &PaymentList,
        page: ListPage,
    ) -> Result<Vec<Payment>, String> {
        let deadline = self.deadline();
        let engines_page = self.engines_page(page);
        let expected = self.reference.payments(list.clone(), page, deadline).await;
        let got = self.engine.payments(list.clone(), engines_page, deadline);
        let got = got.await;
        self.judge(|| format!("payments of {list:?}, {page:?}"), expected, got)
    }

    /// The page by the engine's clock.
    fn engines_page(&self, page: ListPage) -> ListPage {
        ListPage {
            after: page.after.map(|place| ListPlace {
                at: self.engines_moment(place.at),
                ..place
            }),
            until: page.until.map(|until| self.engines_moment(until)),
            ..page
        }
    }

    /// Pages of every size in both orders, from the first on and from anywhere to anywhere.
    fn pages(&mut self, places: &[ListPlace]) -> Vec<ListPage> {
        let mut pages = Vec::new();
        for order in [ListOrder::Descending, ListOrder::Ascending] {
            for limit in [0, 1, 3, 1_001] {
                pages.push(ListPage::first(order, limit));
                let after = places.choose(&mut self.rng).copied();
                let until = places.choose(&mut self.rng).map(|place| place.at);
                let mut page = ListPage {
                    order,
                    after,
                    until: until.filter(|_| self.rng.random()),
                    limit,
                };
                // A place that nothing is at.
                if let Some(after) = &mut page.after
                    && self.rng.random_bool(0.3)
                {
                    after.id = self.rng.random();
                }
                pages.push(page);
            }
        }
        pages
    }

    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let some = all.choose_multiple(&mut self.rng, LISTS_SAMPLED);
        some.cloned().collect()
    }
}

fn place_of(listed: &ListedTransfer) -> ListPlace {
    ListPlace::of_transfer(&listed.transfer)
}

/// What there are lists of, and for each kind one that has nothing.
struct Of {
    accounts: Vec<AccountId>,
    references: Vec<Reference>,
    processors: Vec<ProcessorName>,
}

impl Of {
    fn read(run: &Run<'_>) -> Self {
        let (mut accounts, mut references, mut processors) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        run.reference.read(|books| {
            accounts.extend(books.accounts().map(|(id, _)| id.clone()));
            for event in books.events() {
                references.extend(
                    event
                        .transfer()
                        .and_then(|it| it.notes.reference().cloned()),
                );
                let Some(payment) = event.payment() else {
                    continue;
                };
                references.extend(payment.notes.reference().cloned());
                if let Event::PaymentSettled { transfer, .. } = event {
                    accounts.insert(transfer.credit_account_id.clone());
                }
                if let ledger::PaymentState::Settled { processor, .. } = &payment.state {
                    processors.insert(processor.clone());
                }
            }
        });
        let nothing = "nothing-of-this-name";
        accounts.extend(AccountId::new(nothing).ok());
        references.extend(Reference::new(nothing).ok());
        processors.extend(ProcessorName::new(nothing).ok());
        Self {
            accounts: accounts.into_iter().collect(),
            references: references.into_iter().collect(),
            processors: processors.into_iter().collect(),
        }
    }
}
