//! The quick start of the readme, which has it word for word: a test compares the two, and runs it.

use lastro_client::{AccountId, Client, Error, NewAccount, NewPost, NewTransfer, StatementQuery};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Client::new(&std::env::var("LASTRO_URL")?)?;
    let (world, user) = (AccountId::new("world:BRL")?, AccountId::new("users:7")?);
    let shop = AccountId::new("shops:7")?;
    ledger.open_account(&NewAccount::new(&shop, "BRL")).await?;
    let credit_limit = 5_000;
    let with_credit = NewAccount {
        credit_limit,
        ..NewAccount::new(&user, "BRL")
    };
    ledger.open_account(&with_credit).await?;

    // The same id twice happens once: keep `top_up.id` before you send it.
    let top_up = NewTransfer::new(&world, &user, 1_000, "top-up");
    ledger.transfer(&top_up).await?;
    assert!(ledger.transfer(&top_up).await?.replayed);

    let hold = NewTransfer {
        timeout_s: Some(3_600),
        ..NewTransfer::new(&user, &shop, 800, "hotel")
    };
    ledger.transfer(&hold).await?;
    ledger
        .post(&NewPost {
            amount: Some(750),
            ..NewPost::new(hold.id)
        })
        .await?;

    match ledger
        .transfer(&NewTransfer::new(&user, &shop, 1_000_000, "car"))
        .await
    {
        Err(Error::Refused(why)) => println!("{} {:?}", why.code, why.figure("available")),
        other => panic!("{other:?}"),
    }

    let mut entries = ledger.statement(StatementQuery::new(&user));
    while let Some(entry) = entries.next().await? {
        let (number, balance) = (entry.number, entry.balance_after);
        println!("{number:?} {} {balance:?}", entry.amount);
    }
    Ok(())
}
